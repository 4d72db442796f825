"""Ticks: recent days at once and the rest in a sweep, settling, hints, and stores that are away."""

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.config import FilesSettings
from etl_assets.core.lateness import Late
from etl_assets.orchestration.failures import TickFailed, told_in_ticks
from etl_assets.orchestration.file_requests import Memory, plan
from etl_assets.orchestration.new_files import FILES_TAG
from etl_assets.pipeline.file_days import NEW, SETTLING, FilesLook
from etl_assets.pipeline.file_watch import Sweep, Watch
from etl_assets.pipeline.forget import forget
from etl_assets.pipeline.hints import NoEvent, keys_of_event, leave_hint
from etl_assets.sources.files.location import parse_location
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    SOURCE,
    THIRD,
    Place,
    Shipments,
    in_folder,
    key,
    lines,
    open_shipments,
)
from etl_assets_tests.files.ticks import Ticks, spans

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

ROW, OTHER = (1, "1.500", "DHL"), (2, "2", "UPS")
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
LAST = date(2024, 6, 1)
RARELY = FilesSettings(recent_days=2, sweep=3600)


@pytest.fixture(autouse=True)
def no_sweep_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few objects all would be listed at each tick."""
    monkeypatch.setattr("etl_assets.pipeline.file_watch.PAGE", 0)


class Watcher:
    """Looks one after the other, each with what the one before has left."""

    def __init__(self, shipments: Shipments) -> None:
        self.shipments, self.watch, self.told = shipments, Watch(), ""

    def look(self, days: Iterable[date] = ()) -> FilesLook:
        look, watched = self.shipments.platform.watch_files(self.shipments.table, self.watch, days)
        self.watch, self.told = Watch.from_json(watched.watch.to_json()), watched.told
        return look

    def late(self, days: Iterable[date] = ()) -> list[date]:
        return [one.day for one in self.look(days).late]

    def an_hour_passes(self) -> None:
        assert self.watch.sweep is not None
        began = self.watch.sweep.began - timedelta(hours=1)
        self.watch = replace(self.watch, sweep=replace(self.watch.sweep, began=began))


def test_recent_days_are_listed_at_each_tick_and_the_rest_in_a_sweep(
    place: Place, tmp_path: Path
) -> None:
    with open_shipments(place, tmp_path / "home", RARELY) as shipments:
        watcher = Watcher(shipments)
        place.drop(key(DAY, "a.csv"), lines(ROW))
        assert watcher.late() == [DAY], "the first tick sweeps"
        shipments.load(DAY)
        place.drop(key(NEXT, "b.csv"), lines(ROW))
        place.drop(key(LAST, "a.csv"), lines(ROW))
        assert watcher.late() == [LAST]
        assert watcher.late([NEXT]) == [NEXT, LAST]
        watcher.an_hour_passes()
        assert watcher.late() == [NEXT, LAST]
        forget(shipments.platform.warehouse, shipments.table, [DAY])
        assert watcher.late() == [DAY, LAST], "a day that is forgotten needs no listing"


def test_all_is_listed_at_each_tick_where_that_takes_no_more_requests(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_assets.pipeline.file_watch.PAGE", 1)
    with open_shipments(place, tmp_path / "home", RARELY) as shipments:
        watcher = Watcher(shipments)
        for name in "abcdef":  # as many as two recent days may have folders
            place.drop(key(DAY, f"{name}.csv"), lines(ROW))
        assert [watcher.late(), watcher.late()] == [[DAY], [DAY]]
        place.drop(key(DAY, "g.csv"), lines(ROW))
        assert [watcher.late(), watcher.late()] == [[DAY], []]


def test_f4_a_listing_that_has_no_time_goes_on_at_the_next_tick(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("local", "remote"):
        monkeypatch.setattr(f"etl_assets.sources.files.{module}.PAGE", 2)
    hasty = FilesSettings(recent_days=2, sweep=3600, tick=0)
    with open_shipments(place, tmp_path / "home", hasty) as shipments:
        for day in (DAY, NEXT, THIRD):
            for number in (1, 10, 100, 11, 2):
                place.drop(key(day, f"part-{number}.csv"), lines(ROW))
        shipments.load(DAY, NEXT)
        place.drop(key(NEXT, "part-1.csv"), lines(OTHER))
        place.remove(key(NEXT, "part-2.csv"))
        watcher, found, told = Watcher(shipments), dict[date, set[str]](), []
        while watcher.watch.sweep is None or not watcher.watch.sweep.is_over:
            for one in watcher.look().late:
                found.setdefault(one.day, set()).add(one.why)
            told.append(watcher.told)
        assert found.keys() == {NEXT, THIRD}
        assert found[NEXT] >= {"objects: 1 changed", "objects: 1 gone"}
        assert told[0] == "Swept 2 keys so far."
        assert told[-1] == f"Swept all 14 keys in {len(told)} ticks."
        assert len(told) > 5


def test_an_unchanged_tick_asks_the_warehouse_for_states_alone(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_shipments(place, tmp_path / "home") as shipments:
        for day in (DAY, LAST):
            place.drop(key(day, "a.csv"), lines(ROW))
        shipments.load(DAY, LAST)

        def no_ledger(_table: object) -> None:
            raise AssertionError("a query for nothing")

        monkeypatch.setattr(shipments.platform.warehouse, "ledger", no_ledger)
        watcher = Watcher(shipments)
        for _ in range(3):
            assert watcher.late() == []


def test_an_object_waits_until_it_has_not_changed_for_a_while(tmp_path: Path) -> None:
    place = in_folder(tmp_path / "drop")
    source = replace(SOURCE, settle=None)
    with open_shipments(place, tmp_path / "home", source=source) as shipments:
        place.drop(key(DAY, "a.csv"), lines(ROW))
        watcher = Watcher(shipments)
        look = watcher.look()
        assert (look.late, look.counts[SETTLING]) == ([], 1)
        assert [one.day for one in look.settling] == [DAY]
        path = tmp_path / "drop" / key(DAY, "a.csv")
        written = path.stat().st_mtime - 11
        os.utime(path, (written, written))
        assert watcher.late() == [DAY]
        ahead = path.stat().st_mtime + 3600
        os.utime(path, (ahead, ahead))
        assert watcher.late() == [DAY], "a clock that runs ahead holds nothing back"
        shipments.load(DAY)
        place.drop(key(DAY, "a.csv"), lines(OTHER))
        assert watcher.look().counts[SETTLING] == 1


def test_objects_of_a_bucket_are_whole_when_they_are_there(place: Place, tmp_path: Path) -> None:
    source = replace(SOURCE, settle=timedelta(hours=1))
    with open_shipments(place, tmp_path / "home", source=source) as shipments:
        place.drop(key(DAY, "a.csv"), lines(ROW))
        assert Watcher(shipments).look().counts[SETTLING] == 1
        shipments.load(DAY)
        assert len(shipments.published(DAY)) == 1, "a person's load does not wait"
    if place.settings.url and place.settings.url.startswith("s3"):
        source = replace(SOURCE, settle=None)
        with open_shipments(place, tmp_path / "other", source=source) as shipments:
            assert Watcher(shipments).look().counts[NEW] == 1


def test_a_day_to_which_objects_come_all_the_time_does_not_wait_for_ever() -> None:
    waiting = FilesLook(settling=[Late("raw/shipments", DAY, "x", "")], whole=[DAY])
    memory = Memory().after(waiting, Watch(), {}, NOW)
    assert memory.days_to_list(9, NOW) == [DAY]
    soon, later = NOW + timedelta(minutes=4), NOW + timedelta(minutes=5)
    assert memory.patient(waiting, soon).late == []
    assert [one.day for one in memory.patient(waiting, later).late] == [DAY]


def test_late_days_are_listed_again_until_they_are_loaded() -> None:
    days = [DAY, NEXT, THIRD]
    look = FilesLook(late=[Late("raw/shipments", day, "x", "") for day in days], whole=days)
    chosen, asked = plan(look.late, {}, 2, NOW, look.whole)
    memory = Memory().after(look, Watch(), asked, NOW)
    memory = Memory.from_cursor(memory.to_cursor())
    assert [one.day for one in chosen] == [DAY, NEXT]
    assert memory.days_to_list(9, NOW) == [THIRD], "the others have been asked for"
    later = NOW + timedelta(minutes=1)
    assert memory.days_to_list(2, later) == [DAY, NEXT]
    elsewhere = FilesLook(whole=[DAY])
    chosen, asked = plan([], memory.asked, 2, later, elsewhere.whole)
    assert list(asked) == [str(NEXT)], "of a day that was not listed nothing is forgotten"
    assert memory.after(elsewhere, Watch(), asked, later).late == [NEXT, THIRD]


def test_what_is_remembered_is_read_again_and_anything_else_is_nothing() -> None:
    sweep = Sweep(NOW, "a/b", 7, 2, is_over=False)
    memory = Memory({}, Watch((("a/", None), ("b/", "b/1")), sweep), [DAY], {NEXT: NOW})
    assert Memory.from_cursor(memory.to_cursor()) == memory
    for cursor in (None, "", "{}", "no json", '{"2024-05-17": ["x", 1, "2024-05-17"]}', "[]"):
        assert Memory.from_cursor(cursor) == Memory()


def test_f5_a_hint_lists_its_day_at_the_next_tick(place: Place, tmp_path: Path) -> None:
    with ExitStack() as stack:
        shipments = stack.enter_context(open_shipments(place, tmp_path / "home", RARELY))
        ticks = Ticks(shipments, stack.enter_context(dg.DagsterInstance.ephemeral()))
        place.drop(key(THIRD, "a.csv"), lines(ROW))
        shipments.load(THIRD)
        ticks.tick()
        place.drop(key(DAY, "a.csv"), lines(ROW))
        assert "No object is new" in ticks.tick().skip_message
        home, table = shipments.platform.settings.home, shipments.table
        for _ in range(2):  # it may come twice, and late
            leave_hint(home, table, [key(DAY, "a.csv"), key(NEXT, "none.csv"), "../x", "é"])
        assert spans(ticks.tick()) == [("2024-05-17", "2024-05-17")]
        assert shipments.platform.hints(table).files == []
        shipments.load(DAY)
        leave_hint(home, table, [key(DAY, "a.csv")])
        assert "No object is new" in ticks.tick().skip_message


def test_a_late_day_that_could_not_be_asked_for_is_asked_for_when_it_can(tmp_path: Path) -> None:
    place = in_folder(tmp_path / "drop")
    with ExitStack() as stack:
        shipments = stack.enter_context(open_shipments(place, tmp_path / "home", RARELY))
        ticks = Ticks(shipments, stack.enter_context(dg.DagsterInstance.ephemeral()))
        for day in (DAY, NEXT):
            place.drop(key(day, "a.csv"), lines(ROW))
        job = ticks.definitions.resolve_implicit_global_asset_job_def()
        run = ticks.instance.create_run_for_job(
            job, tags={FILES_TAG: "raw/shipments"}, status=dg.DagsterRunStatus.STARTED
        )
        assert "Objects: 2 new. 1 runs" in ticks.tick().skip_message
        assert "No object is new" in ticks.tick().skip_message, "the sweep is over"
        ticks.instance.report_run_canceled(run)
        place.remove(key(NEXT, "a.csv"))
        assert spans(ticks.tick()) == [("2024-05-17", "2024-05-17")]
        assert Memory.from_cursor(ticks.cursor).late == [DAY], "the other day has no objects now"
        shipments.load(DAY)


def event(*records: tuple[str, str]) -> str:
    return json.dumps(
        {"Records": [{"s3": {"bucket": {"name": b}, "object": {"key": k}}} for b, k in records]}
    )


def test_f5_keys_of_an_event_of_s3_are_decoded_and_those_of_others_left_out() -> None:
    drop = parse_location("s3://bucket/drop")
    told = event(
        ("bucket", "drop/shipments/2024/05/17/a+b%2F%C3%BC%252F.csv"),
        ("other", "drop/x"),
        ("bucket", "elsewhere/x"),
    )
    wanted = ["shipments/2024/05/17/a b/ü%2F.csv"]
    assert keys_of_event(told, drop) == wanted
    assert keys_of_event(json.dumps({"Type": "Notification", "Message": told}), drop) == wanted
    assert keys_of_event(json.dumps({"Records": [{"body": told}]}), drop) == wanted
    assert keys_of_event('{"Event": "s3:TestEvent"}', drop) == []
    for text in ("", "[]", "{}", '{"Records": [1]}', '{"Records": [{"s3": {}}]}', "null"):
        with pytest.raises(NoEvent):
            keys_of_event(text, drop)


def test_a_store_that_is_away_is_told_first_by_a_tick(tmp_path: Path) -> None:
    place = in_folder(tmp_path / "drop")
    with ExitStack() as stack:
        shipments = stack.enter_context(open_shipments(place, tmp_path / "home"))
        ticks = Ticks(shipments, stack.enter_context(dg.DagsterInstance.ephemeral()))
        (tmp_path / "drop").rmdir()
        with pytest.raises(TickFailed) as failed:
            ticks.tick()
        assert str(failed.value).startswith("The folder file:///")
        assert failed.value.__suppress_context__


def test_an_error_that_nobody_foresaw_is_told_with_its_stack_behind() -> None:
    @told_in_ticks()
    def tick() -> None:
        raise RuntimeError("the value 'secret'")

    with pytest.raises(TickFailed, match="did not expect this error") as failed:
        tick()
    assert isinstance(failed.value.__cause__, RuntimeError)
    assert "secret" not in str(failed.value)
