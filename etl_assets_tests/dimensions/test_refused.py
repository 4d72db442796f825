"""A source that is emptied, and a snapshot that is far too small, close nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import polars_schema
from etl_assets.core.dimension import Changes, DimensionSpec, Snapshots
from etl_assets.core.errors import ContractMismatch, SpecError, UpstreamMissing
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.contract.days import staged
from etl_assets_tests.dimensions.oracle import moment
from etl_assets_tests.dimensions.road import SPECS, Prices, World, as_it_is, dimension

DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(3)]


PRICES = TableSpec(
    name="prices",
    source=PostgresTable("prices"),
    raw=Prices,
    staged=Prices,
    stage=as_it_is,
    partition_column="on",
    cursor_column=None,
    description="Prices.",
)
OF_PRICES = DimensionSpec(
    name="dim_prices",
    of="staged/prices",
    contract=Prices,
    history=Snapshots(day="on"),
    key=("sku",),
    tracked=("price",),
    sk="thing_sk",
    description="Prices.",
)


def world_of(folder: Path, *specs: DimensionSpec | TableSpec) -> World:
    warehouse = DuckDBWarehouse(folder / "w.duckdb")
    return World(warehouse, folder / "spool", Catalog.of([*SPECS[:2], *specs]))


def put(world: World, path: str, day: date, rows: Sequence[tuple[object, ...]]) -> None:
    table = world.catalog[path]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    one = staged(world.spool(), frame, day, table=table, as_of=datetime.now(UTC))
    publish_staged(world.warehouse, table, [one], "run")


def test_an_input_that_lost_most_of_its_rows_is_refused_and_what_was_there_stays(
    tmp_path: Path,
) -> None:
    strict = replace(dimension(of="staged/things"), thresholds=Thresholds())
    world = world_of(tmp_path, strict)
    rows = [(key, "x", 1, False, moment(1)) for key in range(1, 11)]
    put(world, "staged/things", DAYS[0], rows)
    world.build()
    put(world, "staged/things", DAYS[0], rows[:3])
    run = world.build()
    assert run.committed is None
    assert run.loaded is not None
    assert run.loaded.blocking == ["row_count_against_published"]
    assert len(world.versions()) == 10
    assert [one.table for one in world.late()] == ["enriched/dim_things"]
    put(world, "staged/things", DAYS[0], rows[:8])
    assert world.build().committed is not None
    assert len(world.versions()) == 8


def test_a_dimension_of_what_was_never_published_says_what_to_load(tmp_path: Path) -> None:
    with pytest.raises(UpstreamMissing) as caught:
        world_of(tmp_path, dimension()).build()
    assert "raw/things_versions is not published" in str(caught.value)
    assert "etl-assets backfill raw/things." in str(caught.value)


def test_s2_a_snapshot_that_is_far_too_small_is_refused_and_named(tmp_path: Path) -> None:
    world = world_of(tmp_path, PRICES, OF_PRICES)
    for day in DAYS[:2]:
        put(world, "staged/prices", day, [(day, sku, 1) for sku in "abcdefgh"])
    world.build("enriched/dim_prices")
    put(world, "staged/prices", DAYS[2], [(DAYS[2], "a", 2)])
    with pytest.raises(ContractMismatch) as caught:
        world.build("enriched/dim_prices")
    assert f"The snapshot staged/prices {DAYS[2]} has 1 row," in str(caught.value)
    assert f"etl-assets backfill staged/prices --from {DAYS[2]} --to {DAYS[2]}" in str(caught.value)
    assert world.rows("enriched/dim_prices").height == 9
    put(world, "staged/prices", DAYS[2], [(DAYS[2], sku, 2) for sku in "abcdef"])
    world.build("enriched/dim_prices")
    current = world.rows("enriched/dim_prices").filter("is_current")["sku"].drop_nulls()
    assert sorted(current) == list("abcdef")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tracked": ("nope",)}, "tracked: Things has no column 'nope'."),
        ({"key": ("nope",)}, "key: Things has no column 'nope'."),
        ({"untracked": ("a",)}, "untracked: 'a' is named twice."),
        ({"history": Changes("a")}, "history: the moment 'a' is String and may be null."),
        ({"entity": {"a": "a"}}, "entity: 'a' is no column of the key."),
        ({"history": Snapshots("at"), "deletions": "raw/things"}, "deletions: snapshots say"),
    ],
)
def test_what_is_wrong_with_the_spec_of_a_dimension_is_said_when_it_is_made(
    change: dict[str, object], told: str
) -> None:
    with pytest.raises(SpecError) as caught:
        replace(dimension(), **change)
    assert told in str(caught.value)
    assert "DimensionSpec dim_things" in str(caught.value)


def test_a_prepare_that_does_not_make_its_contract_is_one_message(tmp_path: Path) -> None:
    lacking = replace(dimension(of="staged/things"), prepare=lambda rows: rows.drop("a"))
    world = world_of(tmp_path, lacking)
    put(world, "staged/things", DAYS[0], [(1, "x", 1, False, moment(1))])
    with pytest.raises(ContractMismatch) as caught:
        world.build()
    assert "`prepare` of enriched/dim_things does not make Things" in str(caught.value)
    assert "columns are missing: a" in str(caught.value)


def test_an_input_that_is_only_called_versions_may_lose_keys(tmp_path: Path) -> None:
    things = replace(SPECS[0], name="old_versions", keep_versions=False)  # type: ignore[type-var]
    world = world_of(tmp_path, things, dimension(of="staged/old_versions"))
    rows = [(key, "x", 1, False, moment(1)) for key in range(1, 5)]
    more = [(key, "x", 1, False, moment(30)) for key in range(11, 20)]
    put(world, "staged/old_versions", DAYS[0], rows)
    put(world, "staged/old_versions", DAYS[1], more)
    world.build()
    put(world, "staged/old_versions", DAYS[0], rows[1:])
    assert world.build().whole
    assert 1 not in {version.id for version in world.versions()}
