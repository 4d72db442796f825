"""An input that is a window of days: made with its neighbours, and late with them both ways.

On every warehouse: what is late follows from the moments that each of them records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import ONE_DAY, Window
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input
from etl_assets.orchestration.backfill import BackfillResult, backfill
from etl_assets.orchestration.derive import derive_late_days
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.contract.backends import Backend, settings_of
from etl_assets_tests.contract.days import published
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of, run

DAYS = [date(2024, 1, number) for number in (1, 2, 3, 4, 5)]
BEYOND = (DAYS[0] - ONE_DAY, DAYS[-1] + ONE_DAY)
"""A day more on either side, on which nothing may be."""
THINGS = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT})
AROUND = contract_of({"made_date": pl.Date, "ids": pl.String}, key=["made_date"])


# On the emulator each takes half a minute while three workers share two cores; the one that is in
# the default run has a window of several days, a late day, and its neighbours made again.
pytestmark = pytest.mark.soak_for("bigquery")


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def around(things: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The ids of the day before, the day and the day after, in order."""
    return things.select(
        pl.lit(day).alias("made_date"), pl.col("id").sort().cast(pl.String).str.join(" ")
    ).rename({"id": "ids"})


def catalog() -> Catalog:
    """`enriched/around` from the day before to the day after in `staged/things`."""
    things = TableSpec(
        "things", PostgresTable("things"), THINGS, THINGS, stage, "Things.", cursor_column=None
    )
    window = {"things": Input("staged/things", days_before=1, days_after=1)}
    made = EnrichedSpec("around", AROUND, window, around, "Around.", partition_column="made_date")
    return Catalog.of([things, made])


@dataclass
class Place:
    """A source with one thing a day, and everything that loads it."""

    url: str
    platform: Platform
    instance: dg.DagsterInstance

    def backfill(self, *paths: str, days: Window) -> BackfillResult:
        return backfill(self.platform, paths, days, self.instance)

    def late(self) -> list[tuple[str, date]]:
        return [(one.table, one.day) for one in self.platform.late()]

    def derive(self) -> dict[str, set[date]]:
        result = derive_late_days(self.platform, list(self.platform.catalog), self.instance)
        assert result.succeeded, result.messages
        return {path: days for path, days in result.done.items() if days}

    def made(self) -> dict[date, str]:
        """The ids of each day that is published."""
        table = self.platform.catalog["enriched/around"]
        folder = self.platform.settings.home
        rows = published(self.platform.warehouse, folder, *BEYOND, table=table)
        found = dict(rows.select("made_date", "ids").iter_rows())
        assert len(found) == rows.height, "a day is there twice"
        return found


@pytest.fixture
def place(backend: Backend, database_url: str, tmp_path: Path) -> Iterator[Place]:
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, created_at timestamptz NOT NULL)",
        "INSERT INTO things SELECT n, '2023-12-31 12:00Z'::timestamptz + n * '1 day'::interval "
        "FROM generate_series(1, 5) n",
    )
    settings = settings_of(tmp_path).changed(
        database_url=database_url, first_day=DAYS[0], last_day=DAYS[-1]
    )
    platform = Platform(settings, given_catalog=catalog())
    with dg.DagsterInstance.ephemeral() as instance:
        yield Place(database_url, platform, instance)
    platform.close()


@pytest.mark.thorough
def test_a_day_is_made_of_its_neighbours_and_late_once_the_day_after_is_there(
    place: Place,
) -> None:
    four = Window(DAYS[0], DAYS[3])
    result = place.backfill("raw/things", "staged/things", "enriched/around", days=four)
    assert result.succeeded, result.messages
    assert place.made() == {
        DAYS[0]: "1 2",
        DAYS[1]: "1 2 3",
        DAYS[2]: "2 3 4",
        DAYS[3]: "3 4",
    }
    assert place.late() == []
    place.backfill("raw/things", "staged/things", days=Window.of(DAYS[4]))
    assert place.late() == [("enriched/around", DAYS[3]), ("enriched/around", DAYS[4])]
    assert place.derive() == {"enriched/around": {DAYS[3], DAYS[4]}}
    assert (place.made()[DAYS[3]], place.made()[DAYS[4]]) == ("3 4 5", "4 5")


@pytest.mark.thorough_for("bigquery", "postgres")
@pytest.mark.share
def test_a_late_day_makes_exactly_the_days_around_it_again_in_both_directions(
    place: Place,
) -> None:
    whole = Window(DAYS[0], DAYS[-1])
    place.backfill("raw/things", "staged/things", "enriched/around", days=whole)
    run(place.url, "INSERT INTO things VALUES (6, '2024-01-03 00:00Z')")
    place.backfill("raw/things", days=Window.of(DAYS[2]))
    assert place.late() == [("staged/things", DAYS[2])]
    assert place.derive() == {"staged/things": {DAYS[2]}, "enriched/around": set(DAYS[1:4])}
    assert place.made() == {
        DAYS[0]: "1 2",
        DAYS[1]: "1 2 3 6",
        DAYS[2]: "2 3 4 6",
        DAYS[3]: "3 4 5 6",
        DAYS[4]: "4 5",
    }
    assert place.late() == []


@pytest.mark.thorough
def test_a_backfill_spares_the_days_whose_window_has_a_day_that_went_wrong(place: Place) -> None:
    whole = Window(DAYS[0], DAYS[-1])
    place.backfill("raw/things", days=whole)
    run(place.url, "DELETE FROM things WHERE id = 3")  # a day that lost all of its rows is refused
    result = place.backfill("raw/things", "staged/things", "enriched/around", days=whole)
    assert result.failed["raw/things"] == {DAYS[2]}
    assert result.skipped["staged/things"] == {DAYS[2]}
    assert result.skipped["enriched/around"] == set(DAYS[1:4])
    assert place.made() == {DAYS[0]: "1 2", DAYS[4]: "4 5"}
