"""The seam of the sources: a kind other than PostgreSQL takes the same road to the warehouse."""

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import ContractMismatch, SourceError, SourceUnavailable
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.policies import Drift
from etl_assets.core.scope import Scope
from etl_assets.core.spec import TableSpec
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.backfill import run_range
from etl_assets.orchestration.build import build_definitions
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.diagnose import diagnose
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days
from etl_assets.sources import factory
from etl_assets.sources.abilities import Ability
from etl_assets.sources.snapshot import Snapshot
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests import toy_source
from etl_assets_tests.source_tables import DAY, layer_table, plain_table, published_rows
from etl_assets_tests.toy_source import JsonFile, JsonSource

TABLE = plain_table({"v": pl.String})
ROWS = [
    {"id": 1, "day_at": "2024-05-17T00:00:00Z", "v": "a"},
    {"id": 2, "day_at": "2024-05-17T23:59:59.999999Z", "v": "b"},
    {"id": 3, "day_at": "2024-05-18T02:00:00+02:00", "v": "c", "more": 1},
]


def deliver(folder: Path, rows: list[dict[str, object]], name: str = "things") -> None:
    (folder / f"{name}.json").write_text(json.dumps(rows))


def of_things(folder: Path, table: LayerTable = TABLE) -> JsonSource:
    return JsonSource(folder / "things.json", table)


def test_a_source_of_another_kind_needs_less_than_a_hundred_lines() -> None:
    assert len(inspect.getsource(toy_source).splitlines()) < 100


def test_its_days_are_loaded_checked_and_published(tmp_path: Path) -> None:
    deliver(tmp_path, ROWS)
    days = [DAY, DAY + timedelta(days=1)]
    loaded = list(
        load_days(
            TABLE,
            of_things(tmp_path),
            days,
            Published(),
            tmp_path / "s",
            "run",
        )
    )
    good = [day for day in loaded if isinstance(day, LoadedDay) and day.is_good]
    assert [(day.rows, day.source_count) for day in good] == [(2, 2), (1, 1)]

    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    publish_days(warehouse, TABLE, good, "run")
    assert published_rows(warehouse, TABLE, days[0], tmp_path)["v"].to_list() == ["a", "b"]
    assert published_rows(warehouse, TABLE, days[1], tmp_path)["id"].to_list() == [3]


def test_a_table_without_days_is_one_part(tmp_path: Path) -> None:
    table = layer_table({"code": pl.String, "name": pl.String}, name="countries", key=("code",))
    table = replace(table, partition_column=None)
    deliver(tmp_path, [{"code": "DE", "name": "Germany"}], name="countries")
    source = JsonSource(tmp_path / "countries.json", table)
    loaded = list(load_days(table, source, [WHOLE], Published(), tmp_path / "s", "run"))
    good = [day for day in loaded if isinstance(day, LoadedDay) and day.is_good]
    assert [(day.rows, day.source_count) for day in good] == [(1, 1)]

    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    publish_days(warehouse, table, good, "run")
    assert published_rows(warehouse, table, WHOLE, tmp_path).rows() == [("DE", "Germany")]


def test_a_spec_declares_it_and_all_that_works_with_tables_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(tmp_path, ROWS)
    monkeypatch.setitem(  # what `sources/factory.py` has a line for
        factory._KINDS,
        JsonFile,
        lambda _, table, scope: of_things(tmp_path, table),
    )
    contract = TABLE.contract
    spec = TableSpec(
        "things",
        JsonFile("things.json"),
        contract,
        contract,
        lambda raw: raw,
        "",
        partition_column="day_at",
        cursor_column=None,
    )
    settings = Settings(home=tmp_path, first_day=DAY, last_day=DAY + timedelta(days=1))
    platform = Platform(settings, given_catalog=Catalog.of([spec]))
    table = platform.catalog["raw/things"]
    assert platform.read_from([table]) == ["json things.json"]
    (found,) = diagnose([table], platform.unseen_source)
    assert (found.error, found.undeclared) == (None, ())

    definitions = build_definitions(settings, overrides={"platform": platform})
    source = definitions.resolve_asset_graph().get(dg.AssetKey(["source", "files", "things"]))
    assert source.kinds == {"json"}
    with dg.DagsterInstance.ephemeral() as instance:
        run = run_range(definitions, instance, ["raw/things"], Window(DAY, DAY + timedelta(days=1)))
    assert run.success
    assert published_rows(platform.warehouse, table, DAY, tmp_path)["v"].to_list() == ["a", "b"]
    platform.close()


CANNOT: dict[str, Callable[[Snapshot], object]] = {
    "changes": lambda snapshot: snapshot.changes(None, snapshot.as_of, 1, 1),
    "beyond": lambda snapshot: snapshot.beyond(snapshot.as_of, None, 1, 1),
    "without_cursor": lambda snapshot: snapshot.without_cursor(None, 1, 1),
    "by_keys": lambda snapshot: snapshot.by_keys(pl.DataFrame({"id": [1]})),
    "repeated_keys": lambda snapshot: snapshot.repeated_keys(Scope(DAY)),
    "digests": lambda snapshot: snapshot.digests(None, 1),
    "row_digests": lambda snapshot: snapshot.row_digests(DAY, 1, [0]),
    "unreadable": lambda snapshot: snapshot.unreadable(Scope(DAY)),
}


@pytest.mark.parametrize("what", CANNOT)
def test_what_it_cannot_do_is_refused_with_its_own_reason(tmp_path: Path, what: str) -> None:
    deliver(tmp_path, ROWS)
    with (
        of_things(tmp_path).open() as snapshot,
        pytest.raises(SourceError, match=r"raw/things cannot .* can only be read whole\."),
    ):
        CANNOT[what](snapshot)


def test_without_changes_there_is_no_horizon(tmp_path: Path) -> None:
    source = of_things(tmp_path)
    assert set(source.cannot) == set(Ability)
    with pytest.raises(SourceError, match="raw/things cannot be synced by its changes"):
        source.horizon(None)


def test_columns_that_change_within_one_load_stop_it_and_another_load_goes_on(
    tmp_path: Path,
) -> None:
    deliver(tmp_path, ROWS)
    source = of_things(tmp_path)
    with source.open() as snapshot:
        assert snapshot.drift is not None
        assert not snapshot.drift.found
    deliver(tmp_path, [{**row, "id": str(row["id"])} for row in ROWS])
    with pytest.raises(ContractMismatch, match="changed while it was being read"), source.open():
        pass
    with source.again(source.columns).open() as snapshot:
        assert snapshot.drift is not None
        assert snapshot.drift.since_last == ["id was int and is str"]


def test_the_table_s_policy_on_new_columns_holds_for_every_kind_of_source(tmp_path: Path) -> None:
    deliver(tmp_path, ROWS)
    source = of_things(tmp_path, replace(TABLE, drift=Drift.FREEZE)).again([("id", "int")])
    with pytest.raises(ContractMismatch, match="policy is to freeze"), source.open():
        pass


def test_a_file_that_is_not_there_yet_is_worth_a_retry(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceUnavailable, match="not there"),
        of_things(tmp_path).open(),
    ):
        pass
