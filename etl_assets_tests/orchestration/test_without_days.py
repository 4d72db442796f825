"""Tables without days as Dagster runs them: loaded whole, read by tables with days and without."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input
from etl_assets.orchestration.backfill import BackfillResult, backfill
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.derive import derive_late_days
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of, run

DAYS = [date(2024, 1, 1), date(2024, 1, 2)]
KINDS = contract_of({"code": pl.String, "name": pl.String}, key=["code"])
THINGS = contract_of({"id": pl.Int64, "kind": pl.String, "created_at": UTC_MOMENT})
FACTS = contract_of({"id": pl.Int64, "name": pl.String, "created_at": UTC_MOMENT})
SUMS = contract_of({"name": pl.String, "things": pl.Int64}, key=["name"])


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def facts(things: pl.LazyFrame, kinds: pl.LazyFrame) -> pl.LazyFrame:
    named = things.join(kinds, left_on="kind", right_on="code", how="left")
    return named.select("id", "name", "created_at")


def sums(facts: pl.LazyFrame) -> pl.LazyFrame:
    return facts.group_by("name").agg(pl.len().cast(pl.Int64).alias("things"))


def catalog() -> Catalog:
    """`raw/kinds` as in cases/lookup_table.sql, without a moment or a cursor."""
    without: dict[str, Any] = {"partition_column": None, "cursor_column": None}
    kinds = TableSpec("kinds", PostgresTable("kinds"), KINDS, KINDS, stage, "Kinds.", **without)
    things = TableSpec(
        "things", PostgresTable("things"), THINGS, THINGS, stage, "Things.", cursor_column=None
    )
    inputs = {"things": Input("staged/things", sets_grain=True), "kinds": Input("staged/kinds")}
    daily = EnrichedSpec("facts", FACTS, inputs, facts, "Facts.")
    whole = EnrichedSpec(
        "sums", SUMS, {"facts": Input("enriched/facts")}, sums, "Sums.", partition_column=None
    )
    return Catalog.of([kinds, things, daily, whole])


@dataclass
class Place:
    """A source with a lookup table, and everything that loads it."""

    url: str
    platform: Platform
    instance: dg.DagsterInstance

    def backfill(self, *paths: str, force: bool = False) -> BackfillResult:
        chosen = paths or tuple(self.platform.catalog)
        window = Window(DAYS[0], DAYS[1])
        return backfill(self.platform, chosen, window, self.instance, force=force)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        file = self.platform.settings.home / "warehouse.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def late(self) -> list[tuple[str, date]]:
        return [(one.table, one.day) for one in self.platform.late()]


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    run(
        database_url,
        "CREATE TABLE kinds (code text PRIMARY KEY, name text)",
        "INSERT INTO kinds VALUES ('DE', 'Germany'), ('FR', 'France')",
        "CREATE TABLE things (id bigint PRIMARY KEY, kind text, created_at timestamptz NOT NULL)",
        "INSERT INTO things SELECT n, CASE n % 2 WHEN 0 THEN 'DE' ELSE 'FR' END, "
        "'2024-01-01Z'::timestamptz + n * '1 hour'::interval FROM generate_series(0, 47) n",
    )
    settings = Settings(
        home=tmp_path, database_url=database_url, first_day=DAYS[0], last_day=DAYS[1]
    )
    platform = Platform(settings, given_catalog=catalog())
    with dg.DagsterInstance.ephemeral() as instance:
        yield Place(database_url, platform, instance)
    platform.close()


def test_m1_a_lookup_table_without_a_moment_is_loaded_whole_and_joined(place: Place) -> None:
    result = place.backfill()
    assert result.succeeded, result.messages
    assert result.done["raw/kinds"] == result.done["enriched/sums"] == {WHOLE}
    assert result.done["enriched/facts"] == set(DAYS)
    assert place.rows("SELECT code, name FROM staged.kinds ORDER BY code") == [
        ("DE", "Germany"),
        ("FR", "France"),
    ]
    assert place.rows("SELECT name, things FROM enriched.sums ORDER BY name") == [
        ("France", 24),
        ("Germany", 24),
    ]
    assert place.late() == []


@pytest.mark.thorough
def test_a_table_without_days_that_a_check_refuses_is_named_without_a_day(place: Place) -> None:
    assert place.backfill().succeeded
    run(place.url, "DELETE FROM kinds")
    result = place.backfill("raw/kinds", "staged/kinds")
    (message,) = result.messages
    assert message == (
        "raw/kinds is not published (row_count_against_published (0 rows, 2 are published, and "
        "min_share_of_last is 0.5)). What was published for it before stays. See the checks, mend "
        "the source or the contract, or allow more in the thresholds of the spec of raw/kinds, and "
        "run it again: etl-assets backfill raw/kinds."
    )


@pytest.mark.thorough
def test_a_lookup_table_that_changed_makes_every_day_late_and_all_is_made_again(
    place: Place,
) -> None:
    assert place.backfill().succeeded
    run(place.url, "UPDATE kinds SET name = 'Deutschland' WHERE code = 'DE'")
    assert place.backfill("raw/kinds").succeeded
    assert place.late() == [("staged/kinds", WHOLE)]
    made = derive_late_days(place.platform, list(place.platform.catalog), place.instance)
    assert made.succeeded, made.messages
    assert {path: days for path, days in made.done.items() if days} == {
        "staged/kinds": {WHOLE},
        "enriched/facts": set(DAYS),
        "enriched/sums": {WHOLE},
    }
    assert ("Deutschland", 24) in place.rows("SELECT name, things FROM enriched.sums")
    assert place.late() == []


@pytest.mark.thorough
def test_an_unchanged_lookup_table_makes_nothing_late(place: Place) -> None:
    assert place.backfill().succeeded
    assert place.backfill("raw/kinds", "staged/kinds").succeeded
    assert place.late() == []


@pytest.mark.thorough
def test_what_comes_out_as_it_was_is_not_late_any_more_and_makes_nothing_late(
    place: Place,
) -> None:
    assert place.backfill().succeeded
    load = "SELECT load_id FROM etl.etl_state WHERE table_name = 'enriched/sums'"
    before = place.rows(load)
    # The same rows made once more are another load of each day.
    assert place.backfill("staged/things", "enriched/facts", force=True).succeeded
    assert ("enriched/sums", WHOLE) in place.late()
    assert place.backfill("enriched/sums").succeeded
    assert place.late() == []
    assert place.rows(load) == before


def test_the_checks_of_a_table_without_days_have_no_partition(place: Place) -> None:
    assert place.backfill("raw/kinds").succeeded
    key = dg.AssetKey(["raw", "kinds"])
    event = place.instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition is None
    records = place.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key, "unique_key"), limit=1
    )
    assert len(records) == 1


def test_checks_alone_audit_what_is_published_of_a_table_without_days(place: Place) -> None:
    assert place.backfill("raw/kinds").succeeded
    key = dg.AssetKey(["raw", "kinds"])
    selection = dg.AssetSelection.checks_for_assets(key)
    built = build_definitions(place.platform.settings, overrides={"platform": place.platform})
    job = dg.define_asset_job("audit", selection=selection)
    definitions = dg.Definitions.merge(built, dg.Definitions(jobs=[job]))
    done = definitions.resolve_job_def("audit").execute_in_process(instance=place.instance)
    found = [
        event.event_specific_data
        for event in done.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert found
    assert all(one.passed and one.partition is None for one in found)


def test_what_is_made_of_a_lookup_table_waits_for_it_with_one_message(place: Place) -> None:
    assert place.backfill("raw/things", "staged/things").succeeded
    result = place.backfill("enriched/facts")
    assert result.failed["enriched/facts"] == set(DAYS)
    assert result.messages == [
        "staged/kinds is not published, and enriched/facts is made of it. Load it first: "
        "etl-assets backfill staged/kinds."
    ]
