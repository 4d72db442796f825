"""The sensor of a table of files: what it asks for, when again, and that its memory is no truth."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.config import FilesSettings
from etl_assets.core.file_formats import Csv
from etl_assets.core.lateness import Late
from etl_assets.orchestration.file_requests import Asked, plan
from etl_assets.orchestration.new_files import FILES_TAG
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    SOURCE,
    THIRD,
    Place,
    Shipments,
    key,
    lines,
    open_shipments,
    rows_of,
)
from etl_assets_tests.files.ticks import Ticks, spans
from etl_assets_tests.s3_server import MANY, S3Server

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

ROW, OTHER = (1, "1.500", "DHL"), (2, "2", "UPS")
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


def test_days_next_to_each_other_are_one_run_and_nothing_is_asked_for_twice(
    shipments: Shipments, ticks: Ticks
) -> None:
    assert "No object is new" in ticks.tick().skip_message
    for day in (DAY, NEXT, date(2024, 5, 25)):
        shipments.place.drop(key(day, "a.csv"), lines(ROW))
    first = ticks.tick()
    assert spans(first) == [("2024-05-17", "2024-05-18"), ("2024-05-25", "2024-05-25")]
    assert "2024-05-17: objects: 1 new" in first.run_requests[0].tags["etl_assets/why"]
    again = ticks.tick()
    assert again.run_requests in (None, [])
    assert "Objects: 3 new." in again.skip_message
    assert all(ticks.run(request) for request in first.run_requests)
    event = ticks.instance.get_latest_materialization_event(dg.AssetKey(["raw", "shipments"]))
    assert event is not None
    assert event.asset_materialization is not None
    shown = {name: one.value for name, one in event.asset_materialization.metadata.items()}
    assert (shown["objects"], shown["objects_refused"], shown["source_rows"]) == (1, 0, 1)
    (record,) = shown["files"].records
    assert (record.data["object"], record.data["published"]) == (key(date(2024, 5, 25), "a.csv"), 1)
    for day in (DAY, NEXT):
        assert shipments.published(day) == rows_of(shipments.place, day)
    assert "No object is new" in ticks.tick().skip_message


def test_a_cursor_that_is_lost_loses_and_doubles_nothing(
    shipments: Shipments, ticks: Ticks
) -> None:
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    shipments.catch_up()
    ticks.cursor = None
    assert "No object is new" in ticks.tick().skip_message
    shipments.place.drop(key(DAY, "a.csv"), lines(OTHER))
    assert spans(ticks.tick()) == [("2024-05-17", "2024-05-17")]
    ticks.cursor = None
    assert spans(ticks.tick()) == [("2024-05-17", "2024-05-17")]


def test_while_a_run_of_the_table_is_queued_or_at_work_no_other_is_asked_for(
    shipments: Shipments, ticks: Ticks
) -> None:
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    job = ticks.definitions.resolve_implicit_global_asset_job_def()
    run = ticks.instance.create_run_for_job(
        job, tags={FILES_TAG: "raw/shipments"}, status=dg.DagsterRunStatus.STARTED
    )
    waiting = ticks.tick()
    assert waiting.run_requests in (None, [])
    assert "1 runs of the table are queued or at work" in waiting.skip_message
    ticks.instance.report_run_canceled(run)
    assert spans(ticks.tick()) == [("2024-05-17", "2024-05-17")]


def test_objects_of_other_days_and_of_no_day_are_told_and_not_asked_for(
    shipments: Shipments, ticks: Ticks
) -> None:
    shipments.place.drop(key(date(2023, 1, 1), "a.csv"), lines(ROW))
    shipments.place.drop("shipments/2024/02/31/a.csv", lines(ROW))
    told = ticks.tick().skip_message
    assert "1 of days that the platform does not have" in told
    assert "1 with no date in their key" in told


@pytest.mark.thorough
def test_f4_an_unchanged_listing_of_many_pages_costs_no_run_and_no_write(
    s3: S3Server, tmp_path: Path
) -> None:
    bucket, days = s3.bucket(), [DAY + timedelta(days=number) for number in range(5)]
    # An empty object is read without a request: two and a half thousand would take half a minute.
    content = {
        key(day, f"{number:04}.csv"): b"" for day in days for number in range(MANY // len(days))
    }
    s3.put_many(bucket, ((f"drop/{name}", held) for name, held in content.items()))
    place = Place(s3.settings(bucket, "drop"), lambda *_: None, lambda _: None, content)
    at_once = FilesSettings(sweep=0, tick=600)
    without_header = replace(SOURCE, format=Csv(header=False))
    with (
        open_shipments(place, tmp_path / "home", at_once, source=without_header) as shipments,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        ticks = Ticks(shipments, instance)
        assert spans(ticks.tick()) == [(days[0].isoformat(), days[-1].isoformat())]
        shipments.load(*days)
        assert shipments.ledger().keys() == content.keys()
        warehouse = tmp_path / "home" / "warehouse.duckdb"
        before = warehouse.read_bytes()
        for _ in range(2):
            tick = ticks.tick()
            assert tick.run_requests in (None, [])
            assert "No object is new" in tick.skip_message
        assert warehouse.read_bytes() == before
        assert not warehouse.with_name("warehouse.duckdb.wal").exists()
        assert instance.get_runs_count() == 0


def late(*days: date, wanted: str = "x") -> list[Late]:
    return [Late("raw/shipments", day, wanted, "") for day in days]


def test_the_oldest_days_come_first_and_no_more_than_a_tick_may_ask_for() -> None:
    days = [THIRD, DAY, NEXT]
    first, asked = plan(late(*days), {}, 2, NOW)
    assert [one.day for one in first] == [DAY, NEXT]
    second, asked = plan(late(*days), asked, 2, NOW)
    assert [one.day for one in second] == [THIRD]
    assert plan(late(*days), asked, 2, NOW)[0] == []


def test_a_day_whose_run_failed_is_asked_for_again_after_a_growing_pause_and_not_for_ever() -> None:
    asked: dict[str, Asked] = {}
    moments, now = [], NOW
    while now < NOW + timedelta(days=1):
        chosen, asked = plan(late(DAY), asked, 9, now)
        if chosen:
            moments.append(now - NOW)
        now += timedelta(seconds=30)
    minutes = [moment / timedelta(minutes=1) for moment in moments]
    assert minutes == [0, 1, 3, 7, 15, 31, 63, 127]
    chosen, asked = plan(late(DAY, wanted="other objects"), asked, 9, now)
    assert [one.day for one in chosen] == [DAY]
    assert plan([], asked, 9, now) == ([], {})
