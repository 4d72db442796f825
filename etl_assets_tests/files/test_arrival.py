"""The day of arrival: an object is of the UTC day on which the store says it was last written."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from etl_assets.core.policies import Deletes
from etl_assets.pipeline.file_days import CHANGED, GONE, KEPT, NEW, OUTSIDE
from etl_assets.sources.files.declared import files_of
from etl_assets.sources.files.listing import list_table
from etl_assets_tests.files.arrivals import ARRIVED, Dated
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    THIRD,
    Place,
    Shipments,
    lines,
    open_shipments,
)

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

ONE, TWO, THREE = (1, "1.500", "DHL"), (2, "", "UPS"), (3, "0.001", "DHL")
MORNING = datetime(DAY.year, DAY.month, DAY.day, 6, tzinfo=UTC)


@pytest.fixture
def moments() -> dict[str, datetime]:
    return {}


@pytest.fixture
def arrived(place: Place, tmp_path: Path, moments: dict[str, datetime]) -> Iterator[Shipments]:
    with open_shipments(place, tmp_path / "home", spec=ARRIVED) as opened:
        found = opened.platform.sources.store
        opened.platform.sources.store = lambda table: Dated(found(table), moments)  # type: ignore[method-assign]
        yield opened


def ids(shipments: Shipments) -> dict[str, list[int]]:
    """The numbers that are published, by day."""
    found = {
        f"{day:%d}": [row["shipment_id"] for row in shipments.published(day)]
        for day in (DAY, NEXT, THIRD)
    }
    return {day: rows for day, rows in found.items() if rows}


def test_an_object_is_of_the_utc_day_on_which_it_was_written(
    arrived: Shipments, moments: dict[str, datetime]
) -> None:
    moments["shipments/a.csv"] = MORNING
    # Half past one of the 19th in Berlin.
    moments["shipments/x/b.csv"] = datetime(2024, 5, 19, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    arrived.place.drop("shipments/a.csv", lines(ONE, TWO))
    arrived.place.drop("shipments/x/b.csv", lines(THREE))
    arrived.catch_up()
    assert ids(arrived) == {"17": [1, 2], "18": [3]}
    assert {row["delivered_on"] for row in arrived.published(NEXT)} == {NEXT}
    assert {entry.partition_key for entry in arrived.ledger().values()} == {DAY, NEXT}


def test_f2_an_object_that_is_written_again_moves_to_its_new_day_and_both_are_late(
    arrived: Shipments, moments: dict[str, datetime]
) -> None:
    for name in ("a", "b"):
        moments[f"shipments/{name}.csv"] = MORNING
        arrived.place.drop(f"shipments/{name}.csv", lines(ONE, TWO))
    arrived.catch_up()
    moments["shipments/a.csv"] = MORNING + timedelta(days=2)
    arrived.place.drop("shipments/a.csv", lines(THREE, TWO))
    look = arrived.platform.look_at_files(arrived.table)
    assert [one.day for one in look.late] == [DAY, THIRD]
    assert (look.counts[NEW], look.counts[CHANGED], look.counts[GONE]) == (1, 0, 1)
    arrived.catch_up()
    assert ids(arrived) == {"17": [1, 2], "19": [3, 2]}
    moments["shipments/a.csv"] = MORNING  # the same bytes, put once more on another day
    assert arrived.late() == [DAY, THIRD]
    arrived.load(DAY)
    assert arrived.late() == [THIRD]


def test_a_day_that_loses_its_objects_to_another_day_is_no_loss_and_one_whose_are_gone_is(
    arrived: Shipments, moments: dict[str, datetime]
) -> None:
    moments["shipments/a.csv"] = MORNING
    arrived.place.drop("shipments/a.csv", lines(ONE, TWO))
    arrived.catch_up()
    moments["shipments/a.csv"] = MORNING + timedelta(days=1)
    arrived.place.drop("shipments/a.csv", lines(TWO, THREE))
    arrived.catch_up()
    assert ids(arrived) == {"18": [2, 3]}
    arrived.place.remove("shipments/a.csv")
    loaded, _ = arrived.load(NEXT)
    assert [day.blocking for day in loaded.audited] == [["row_count_against_published"]]


def test_deletes_keep_keeps_what_is_gone_and_not_what_moved(
    place: Place, tmp_path: Path, moments: dict[str, datetime]
) -> None:
    with open_shipments(place, tmp_path / "home", spec=ARRIVED, deletes=Deletes.KEEP) as keeping:
        found = keeping.platform.sources.store
        keeping.platform.sources.store = lambda table: Dated(found(table), moments)  # type: ignore[method-assign]
        for name, row in (("a", ONE), ("b", TWO)):
            moments[f"shipments/{name}.csv"] = MORNING
            place.drop(f"shipments/{name}.csv", lines(row))
        keeping.catch_up()
        moments["shipments/a.csv"] = MORNING + timedelta(days=1)
        keeping.catch_up()
        assert ids(keeping) == {"17": [2], "18": [1]}
        place.remove("shipments/a.csv")
        look = keeping.platform.look_at_files(keeping.table)
        assert (look.late, look.counts[KEPT]) == ([], 1)


def test_a_day_of_arrival_that_the_platform_does_not_have_is_told(
    arrived: Shipments, moments: dict[str, datetime]
) -> None:
    moments["shipments/a.csv"] = MORNING - timedelta(days=1)
    arrived.place.drop("shipments/a.csv", lines(ONE))
    look = arrived.platform.look_at_files(arrived.table)
    assert (look.late, look.counts[OUTSIDE]) == ([], 1)


def test_what_the_store_itself_says_is_the_day(place: Place, tmp_path: Path) -> None:
    with open_shipments(place, tmp_path / "home", spec=ARRIVED, last_day=None) as shipments:
        place.drop("shipments/a.csv", lines(ONE))
        table, store = shipments.table, shipments.platform.sources.store(shipments.table)
        (day,) = list_table(store, files_of(table), has_days=True).parts
        now = datetime.now(UTC).date()
        assert now - timedelta(days=1) <= day <= now
        shipments.catch_up()
        assert [row["delivered_on"] for row in shipments.published(day)] == [day]
