"""Days that are not over, whatever ETL_LAST_DAY says: today is loaded and derived like any other.

Dagster's partitions have an end of their own, which must be that of the settings.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import Window
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.orchestration.backfill import backfill
from etl_assets.orchestration.derive import derive_late_days
from etl_assets.orchestration.partitions import daily
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of, run

THINGS = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT})
TODAY = datetime.now(UTC).date()
AHEAD = [0, 1, 400]
"""How many days after today the platform's last one is."""


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def settings_until(home: Path, last: date | None, url: str | None = None) -> Settings:
    first = TODAY - timedelta(days=2)
    return Settings(home=home, database_url=url, first_day=first, last_day=last)


@pytest.fixture
def url(database_url: str) -> str:
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, created_at timestamptz NOT NULL)",
        f"INSERT INTO things VALUES (1, '{TODAY}T00:00Z'), (2, '{TODAY}T00:00Z')",
    )
    return database_url


@pytest.mark.thorough_but("1]")
@pytest.mark.parametrize("ahead", AHEAD)
def test_b5_a_last_day_that_is_not_over_is_loaded_and_what_is_made_of_it(
    url: str, tmp_path: Path, ahead: int
) -> None:
    things = TableSpec(
        "things", PostgresTable("things"), THINGS, THINGS, stage, "Things.", cursor_column=None
    )
    settings = settings_until(tmp_path, TODAY + timedelta(days=ahead), url)
    platform = Platform(settings, given_catalog=Catalog.of([things]))
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            raw = backfill(platform, ["raw/things"], Window.of(TODAY), instance)
            assert raw.succeeded, raw.messages
            assert raw.done == {"raw/things": {TODAY}}
            staged = backfill(platform, ["staged/things"], Window.of(TODAY), instance)
            assert staged.succeeded, staged.messages
            run(url, f"INSERT INTO things VALUES (3, '{TODAY}T00:00Z')")
            assert backfill(platform, ["raw/things"], Window.of(TODAY), instance).succeeded
            made = derive_late_days(platform, ["staged/things"], instance)
            assert (made.messages, made.done) == ([], {"staged/things": {TODAY}})
        (state,) = platform.warehouse.state(platform.catalog["staged/things"])
        assert state.row_count == 3
    finally:
        platform.close()


@pytest.mark.parametrize("ahead", [None, -1, *AHEAD])
def test_b5_the_newest_day_of_the_settings_is_dagsters(tmp_path: Path, ahead: int | None) -> None:
    last = None if ahead is None else TODAY + timedelta(days=ahead)
    settings = settings_until(tmp_path, last)
    newest = min(TODAY, last or TODAY)
    assert settings.newest_partition() == newest
    assert daily(settings).get_last_partition_key() == str(newest)
    assert settings.newest_day() == min(TODAY - timedelta(days=1), newest)
