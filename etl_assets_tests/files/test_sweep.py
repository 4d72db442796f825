"""A listing in parts: a sweep that is cut finds the days that a whole listing finds, and no others.

Days are made of random objects, which change; walks end after random pages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets.core.catalog import Catalog
from etl_assets.core.ledger import FileStatus, LedgerEntry
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.file_days import FilesLook, Rules, look_at
from etl_assets.pipeline.file_watch import Times, Watch, next_listing
from etl_assets.sources.files.declared import files_of
from etl_assets.sources.files.listing import Listing, list_table
from etl_assets.sources.files.location import Location
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.spans import Span
from etl_assets.sources.files.store import ObjectStore
from etl_assets_tests.files.shipments import DAY, NEXT, SOURCE, SPEC, THIRD

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DAYS = (DAY, NEXT, THIRD)
PATTERNS = {
    "shipments/{day:%Y/%m/%d}/*": "shipments/{day:%Y/%m/%d}/{name}",
    "{day:%Y-%m-%d}/**": "{day:%Y-%m-%d}/{name}",
    "shipments/{day:%Y-%m-%d}-*": "shipments/{day:%Y-%m-%d}-{name}",
    "**/{day:%d.%m.%Y}/*": "{name}/{day:%d.%m.%Y}/x",
}


class Held(ObjectStore):
    """Objects in memory, in pages of a few, as every store lists them."""

    def __init__(self, held: Mapping[str, str], page: int) -> None:
        super().__init__(Location("s3", "bucket", ""))
        self.held, self.page = held, page

    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        keys = sorted(k for k in self.held if k.startswith(below) and k > (after or ""))
        for at in range(0, len(keys), self.page):
            found = keys[at : at + self.page]
            yield [StoredObject(key, self.held[key], None, 1, NOW) for key in found]

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        raise AssertionError(f"a tick reads no object, and {stored.key} was read")


def table_of(pattern: str) -> LayerTable:
    spec = replace(SPEC, source=replace(SOURCE, pattern=pattern))
    return Catalog.of([spec])["raw/shipments"]


def published(
    table: LayerTable, held: Mapping[str, str]
) -> tuple[list[PartitionState], list[LedgerEntry]]:
    """What a load of all days leaves behind."""
    listing = list_table(Held(held, 100), files_of(table), has_days=True)
    states = [
        PartitionState(
            *(table.path, day, None, None, 0, 0, 0, 0, 0, NOW, "load", "run", 0.0, None, NOW),
            made_of=listing.made_of(day),
        )
        for day in listing.parts
    ]
    ledger = [
        LedgerEntry(
            *(table.path, day, one.key, one.identity, one.size, NOW, FileStatus.LOADED, None),
            *(1, 1, 0, NOW, NOW, "run"),
        )
        for day, objects in listing.parts.items()
        for one in objects
    ]
    return states, ledger


held = st.dictionaries(
    st.tuples(st.sampled_from(DAYS), st.sampled_from(["0", "a", "a-b", "b", "part-1", "part-10"])),
    st.sampled_from(["1", "2"]),
    max_size=18,
)


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=held, now=held, page=st.integers(1, 4), cuts=st.lists(st.booleans(), min_size=9))
def test_f4_a_sweep_that_is_cut_finds_what_a_whole_listing_finds(
    pattern: str,
    before: Mapping[tuple[date, str], str],
    now: Mapping[tuple[date, str], str],
    page: int,
    cuts: list[bool],
) -> None:
    table = table_of(pattern)
    then, there = (
        {PATTERNS[pattern].format(day=day, name=name): etag for (day, name), etag in said.items()}
        for said in (before, now)
    )
    states, ledger = published(table, then)
    store, rules = Held(there, page), Rules(lambda _day: True)

    def look(listing: Listing) -> FilesLook:
        return look_at(table, listing, states, lambda: ledger, rules)

    whole = look(list_table(store, files_of(table), has_days=True))
    watch, found, chance = Watch(), set(), iter([*cuts, *[False] * 500])
    times = Times(NOW, timedelta(hours=1), lambda: next(chance), lambda: next(chance))
    for _ in range(100):
        watched = next_listing(store, files_of(table), [], watch, times, has_days=True)
        watch = Watch.from_json(watched.watch.to_json())
        seen = look(watched.listing)
        found |= {one.day for one in seen.late}
        alone = {one.day: one for one in whole.late}
        for one in seen.late:
            if one.day in seen.whole:
                assert one == alone[one.day]
        assert watch.sweep is not None
        if watch.sweep.is_over:
            break
    assert watch.sweep.is_over
    assert watch.sweep.keys == len(there)
    assert found == {one.day for one in whole.late}


def test_an_unchanged_sweep_in_parts_asks_no_ledger_where_days_have_folders() -> None:
    table = table_of("shipments/{day:%Y/%m/%d}/*")
    there = {f"shipments/2024/11/{17 + n // 4}/{n}": "1" for n in range(12)}
    states, _ = published(table, there)
    store, watch, ticks = Held(there, 3), Watch(), 0

    def no_ledger() -> list[LedgerEntry]:
        raise AssertionError("a query for nothing")

    while watch.sweep is None or not watch.sweep.is_over:
        pages = iter([False, False, True])
        times = Times(NOW, timedelta(hours=1), lambda p=pages: next(p), lambda: False)  # type: ignore[misc]
        watched = next_listing(store, files_of(table), [], watch, times, has_days=True)
        watch, ticks = watched.watch, ticks + 1
        assert not look_at(table, watched.listing, states, no_ledger, Rules(lambda _day: True)).late
    assert ticks == 2


def test_f1_the_next_sweep_begins_from_nothing() -> None:
    table = table_of("shipments/{day:%Y/%m/%d}/*")
    there = {f"shipments/2024/05/{day}/a": "1" for day in range(17, 25)}
    store, source, watch = Held(there, 2), files_of(table), Watch()
    cut = Times(NOW, timedelta(0), lambda: True, lambda: True)
    watch = next_listing(store, source, [], watch, cut, has_days=True).watch
    there["shipments/2024/05/17/0"] = "1"  # behind the sweep
    seen: set[date] = set()
    while watch.sweep is not None and not watch.sweep.is_over:
        watched = next_listing(store, source, [], watch, cut, has_days=True)
        seen, watch = seen | watched.listing.parts.keys(), watched.watch
    assert DAY not in seen
    again = next_listing(store, source, [], watch, cut, has_days=True)
    assert [one.key for one in again.listing.of(DAY)][:1] == ["shipments/2024/05/17/0"]


def test_folders_that_there_was_no_time_for_come_first_at_the_next_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("etl_assets.pipeline.file_watch.PAGE", 0)  # no sweep is cheap
    table = table_of("shipments/{day:%Y/%m/%d}/*")
    there = {f"shipments/2024/05/{day}/{n}": "1" for day in (17, 18, 19) for n in "abc"}
    store, source = Held(there, 2), files_of(table)
    watch = Watch(
        sweep=next_listing(store, source, [], Watch(), ENDLESS, has_days=True).watch.sweep
    )
    cut = replace(ENDLESS, is_over=lambda: True)
    days: list[tuple[date, int]] = []
    for _ in range(16):
        watched = next_listing(store, source, DAYS, watch, cut, has_days=True)
        watch = watched.watch
        days += [(day, len(found)) for day, found in watched.listing.parts.items()]
    assert days[:6] == [(DAY, 2), (DAY, 1), (NEXT, 2), (NEXT, 1), (THIRD, 2), (THIRD, 1)]
    assert watched.told == ""


ENDLESS = Times(NOW, timedelta(hours=1), lambda: False, lambda: False)


def test_f4_a_part_of_a_folder_is_not_the_folder() -> None:
    cut = Span("a/", None, "a/1/x")
    assert not cut.has_all_below("a/1/")
    assert cut.may_have("a/1/")
    assert not cut.may_have("a/2/")
    assert cut.has_all_below("a/0/")
    assert Span("a/", "a/1/x").has_all_below("a/2/")
    assert not Span("a/", "a/1/x").has_all_below("a/1/")
    assert not Span("a/1/").has_all_below("a/")
    # Stores may list the empty object "x/" as "x".
    assert not Span("", None, "x!").has("x", 0)
    assert Span("", None, "x!").has("x", 5)
