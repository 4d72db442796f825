"""B2, B5: cursors of several columns, local times, dates, epochs and versions, in whole syncs.

What late commits (C2), ties (C1) and writers' clocks (C6) must not do to one column of moments is
`test_cursors.py`; here it is shown for the others.
"""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from etl_assets.core import settling
from etl_assets.core.cursor import LAST, Cursor, CursorKind, Version, midnight
from etl_assets.core.errors import ConfigError
from etl_assets.core.position import Horizon, Position
from etl_assets.pipeline.rewind import rewind
from etl_assets.pipeline.sync_log import position_of
from etl_assets_tests.open_transactions import writer
from etl_assets_tests.sync.kinds import KINDS, Kind, shelf_of
from etl_assets_tests.sync.shelf import Shelf

pytestmark = pytest.mark.soak_for("a local time", "seconds")
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def place(shelf: Shelf) -> Position | None:
    return position_of(shelf.table, shelf.warehouse.table_state(shelf.table))


@pytest.mark.thorough_but("a local time", "a version", "seconds rounded up")
@pytest.mark.share
@every_kind
def test_b5_rows_and_their_changes_are_synced_once_each(shelf: Shelf, kind: Kind) -> None:
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 20, ago="10 days"))
    shelf.sync()
    assert shelf.published() == kind.wanted(shelf)
    stood = place(shelf)
    assert stood is not None

    shelf.sql(kind.put(4, 6, "changed"), kind.put(21, 23, "new"))
    chunks = shelf.sync()
    assert shelf.published() == kind.wanted(shelf)
    assert sum(chunk.outcome.changed for chunk in chunks) == 6
    assert sum(chunk.rows for chunk in chunks) == 6, "and of the others none is read again"
    assert not any(chunk.outcome.days for chunk in shelf.sync())
    assert shelf.reconcile(repair=False).is_equal


@pytest.mark.thorough_but("True-a version", "False-a date")
@every_kind
@pytest.mark.parametrize("written_first", [True, False])
def test_c2_b5_a_late_commit_is_synced(shelf: Shelf, kind: Kind, written_first: bool) -> None:
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 5))
    shelf.sync()
    with writer(shelf.url, kind.put(6, 7, "late") if written_first else "SELECT now()") as late:
        shelf.sql(kind.put(8, 9, "early"))
        for _ in range(3):
            shelf.sync()
        if not written_first:
            late.execute(kind.put(6, 7, "late").encode())
        late.commit()
    shelf.sync()
    assert shelf.published() == kind.wanted(shelf)
    assert [row[0] for row in shelf.published()] == list(range(1, 10))


def as_far_as_the_clock(
    cursor: Cursor, mark: Position | None, horizon: Horizon, lookback: timedelta
) -> Position:
    """What settles where nobody looks at open transactions."""
    if cursor.kind is CursorKind.DAY:
        return Position(midnight(horizon.now.date()))
    if cursor.has_moments:
        return Position(cursor.moment_at(cursor.number_at(horizon.now)))
    seen = horizon.seen
    return Position(seen.at, number=seen.number) if seen else Position(horizon.now, number=0)


@pytest.mark.thorough_but("kind1")
@pytest.mark.parametrize("kind", [KINDS[n] for n in ("a date", "seconds", "a version")])
def test_c2_b5_without_the_horizon_the_late_commit_is_lost(
    shelf: Shelf, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is, the tests above can fail."""
    monkeypatch.setattr(settling, "settled", as_far_as_the_clock)
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 5))
    shelf.sync()
    with writer(shelf.url, kind.put(6, 7, "late")) as late:
        shelf.sql(kind.put(8, 9, "early"))
        shelf.sync()
        late.commit()
    shelf.sync()
    lost = set(range(1, 10)) - {row[0] for row in shelf.published()}
    assert lost >= {6, 7}


@pytest.mark.thorough_but("a date")
@every_kind
def test_c1_b5_ties_are_synced_in_chunks(shelf: Shelf, kind: Kind) -> None:
    shelf = shelf_of(kind, shelf)
    same = kind.put(1, 20).replace("nextval('shelf_version')", "7")
    shelf.sql(same)
    assert [chunk.rows for chunk in shelf.sync()][:3] == [7, 7, 6]
    assert shelf.published() == kind.wanted(shelf)


@pytest.mark.thorough_but("the greatest")
@every_kind
def test_c14_b5_a_sync_that_is_broken_off_goes_on(shelf: Shelf, kind: Kind) -> None:
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 20, ago="10 days"))
    chunks = shelf.chunks()
    next(chunks)
    next(chunks)
    stood = place(shelf)
    rows = [chunk.rows for chunk in shelf.sync()]
    assert shelf.published() == kind.wanted(shelf)
    assert stood is not None
    assert sum(rows) == 6, "what was committed is not read again"


@pytest.mark.thorough_but("a version")
@every_kind
def test_b5_m10_rows_without_any_cursor_are_loaded_and_counted_by_each_sync(
    shelf: Shelf, kind: Kind
) -> None:
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 5, ago="10 days"))
    empty = ", ".join(f"{column} = NULL" for column in kind.columns)
    shelf.sql(f"UPDATE shelf SET {empty} WHERE id < 3")
    for _ in range(2):
        (chunk,) = shelf.sync()
        assert chunk.without_cursor == 2
    assert shelf.published() == kind.wanted(shelf)
    shelf.sql("UPDATE shelf SET v = 'behind' WHERE id = 1")
    shelf.sync()
    assert shelf.published()[0][2] == "behind"
    assert shelf.reconcile(repair=False).is_equal


@pytest.mark.thorough
def test_b5_rows_that_were_never_updated_are_not_read_again(shelf: Shelf) -> None:
    kind = KINDS["the greatest of two"]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 60, ago="10 days"), "UPDATE shelf SET updated_at = NULL")
    alone = replace(shelf, table=replace(shelf.table, cursor_column="updated_at", versions=None))
    alone.sync()
    assert sum(chunk.rows for chunk in alone.sync()) == 60
    shelf.sync()
    shelf.sql("UPDATE shelf SET updated_at = now(), v = 'first' WHERE id = 30")
    assert sum(chunk.rows for chunk in shelf.sync()) == 1
    assert shelf.published() == kind.wanted(shelf)


def test_l6_a_position_of_another_cursor_is_none(shelf: Shelf) -> None:
    """Everything is read again once, and nothing is published that is there already."""
    kind = KINDS["the greatest of two"]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 6, ago="10 days"))
    for cursor in ("updated_at", ("updated_at", "inserted_at"), "inserted_at"):
        other = replace(shelf, table=replace(shelf.table, cursor_column=cursor, versions=None))
        others = [*other.sync(), *other.sync()]
        assert other.published() == kind.wanted(other)
        if cursor != "updated_at":
            assert not any(chunk.outcome.changed for chunk in others)
    first = other.warehouse.history(other.table, "watermark")
    assert sum("the table has another cursor" in entry.payload for entry in first) == 2


# Local times


def test_b2_c17_the_hour_that_comes_twice_loses_nothing(shelf: Shelf) -> None:
    """Its first pass looks like the future, which every sync reads, until the second is over."""
    kind = KINDS["a local time"]
    zone = {"local_at": {"source_zone": "Europe/Berlin", "ambiguous": "earliest"}}
    kind = replace(kind, options=zone)
    shelf = shelf_of(kind, shelf)
    passes = [datetime(2024, 10, 27, 0, minute, tzinfo=UTC) for minute in (10, 40)]
    passes += [when + timedelta(hours=1) for when in passes]
    source = shelf.source()
    for number, when in enumerate(passes, 1):
        shelf.sql(
            f"INSERT INTO shelf VALUES ({number}, '2024-10-27Z', 'v', "
            f"'{when}'::timestamptz AT TIME ZONE 'Europe/Berlin')"
        )
        assert source.table is shelf.table
        now = when + timedelta(minutes=1)
        until = settling.until(shelf.table.cursor, Horizon(now, now))  # type: ignore[arg-type]
        with shelf.source().open() as snapshot:
            changes = snapshot.changes(None, until, 100, 1 << 30)
            later = snapshot.beyond(max(until, now), None, 100, 1 << 30)
            assert changes.rows + later.rows == number
    shelf.sync()
    assert [row[0] for row in shelf.published()] == [1, 2, 3, 4]


# Dates


def test_b5_a_day_is_read_again_until_it_is_over_in_every_zone() -> None:
    cursor = KINDS["a date"].table().cursor
    assert cursor is not None
    noon = datetime(2024, 5, 17, 12, tzinfo=UTC)
    cases = {
        noon: date(2024, 5, 16),  # in UTC-12 the 17th begins
        noon - timedelta(seconds=1): date(2024, 5, 15),
        noon + timedelta(hours=11, minutes=59): date(2024, 5, 16),
    }
    for moment, last in cases.items():
        horizon = Horizon(moment, moment)
        reached = settling.settled(cursor, None, horizon, timedelta(0))
        assert reached.moment.date() == last
    slow = settling.settled(cursor, None, Horizon(noon, noon), timedelta(minutes=1))
    assert slow.moment.date() == date(2024, 5, 15), "a writer's clock may be behind"
    held = Horizon(noon - timedelta(days=3), noon)
    assert settling.settled(cursor, None, held, timedelta(0)).moment.date() == date(2024, 5, 13)
    assert settling.until(cursor, Horizon(noon, noon)).date() == date(2024, 5, 18)


def test_b5_a_date_of_today_is_read_by_each_sync_and_one_of_last_week_by_none(
    shelf: Shelf,
) -> None:
    kind = KINDS["a date"]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 3, ago="7 days"), kind.put(4, 5))
    shelf.sync()
    assert [chunk.rows for chunk in shelf.sync()] == [2]
    shelf.sql("UPDATE shelf SET v = 'again' WHERE id = 5", kind.put(6, 6))
    (chunk,) = shelf.sync()
    assert (chunk.rows, chunk.outcome.changed) == (3, 2)
    shelf.sql("UPDATE shelf SET changed_on = '2999-01-01' WHERE id = 1")
    assert [chunk.without_cursor for chunk in shelf.sync()] == [1]
    assert shelf.published() == kind.wanted(shelf)


# Versions


def test_c2_b5_a_version_waits_for_the_transactions_that_were_open_when_it_was_seen(
    shelf: Shelf,
) -> None:
    kind = KINDS["a version"]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 5))
    shelf.sync()
    stood = place(shelf)
    assert stood is not None
    assert (stood.number, stood.seen) == (5, None)
    with writer(shelf.url, kind.put(6, 7, "late")):
        shelf.sql(kind.put(8, 9))
        (chunk,) = shelf.sync()
        held = place(shelf)
        assert "idle in transaction" in str(chunk.horizon.held_by)
        assert held is not None
        assert held.seen is not None
        assert (chunk.rows, held.number, held.seen.number) == (2, 5, 9)
    # Others are open now, but the one that was open then has ended.
    with writer(shelf.url, "SELECT now()"):
        shelf.sql(kind.put(10, 10))
        shelf.sync()
        now = place(shelf)
        assert now is not None
        assert now.seen is not None
        assert (now.number, now.seen.number) == (9, 10)
    shelf.sync()
    assert shelf.published() == kind.wanted(shelf)


def test_c6_b5_a_version_has_a_look_back_in_numbers(shelf: Shelf) -> None:
    """For sessions that hold numbers back: CACHE of a sequence."""
    kind = KINDS["a version"]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 20))
    shelf.sync()
    held = "INSERT INTO shelf VALUES ({}, '2024-05-01Z', 'cached', {})"
    shelf.sql("DELETE FROM shelf WHERE version = 15", held.format(30, 15))
    assert not any(chunk.rows for chunk in shelf.sync())
    back = replace(shelf.table, cursor_column=Version("version", lookback=10))
    wide = replace(shelf, table=replace(back, versions=None))
    (*_, chunk) = wide.sync()
    assert chunk.rows == 10 % 7
    assert 30 in [row[0] for row in wide.published()]


def test_l6_a_version_is_set_back_by_its_number(shelf: Shelf) -> None:
    kind = KINDS["a version"]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 20))
    shelf.sync()
    with pytest.raises(ConfigError, match="version 25 is not before it"):
        rewind(shelf.warehouse, shelf.table, 25)
    with pytest.raises(ConfigError, match=r"is a version.* --to 1200"):
        rewind(shelf.warehouse, shelf.table, LAST)
    rewind(shelf.warehouse, shelf.table, 15)
    assert sum(chunk.rows for chunk in shelf.sync()) == 5


@pytest.mark.parametrize("name", [name for name in KINDS if name != "a date"])
def test_s1_b5_every_version_that_was_seen_is_kept(shelf: Shelf, name: str) -> None:
    kind = KINDS[name]
    shelf = shelf_of(kind, shelf)
    shelf.sql(kind.put(1, 3, "first", ago="10 days"))
    shelf.sync()
    shelf.sql(kind.put(2, 3, "second"))
    shelf.sync()
    time.sleep(1.1 if "seconds" in str(kind.cursor) and "milli" not in str(kind.cursor) else 0)
    shelf.sql(kind.put(3, 3, "third"))
    shelf.sync()
    assert shelf.table.versions is not None
    kept = [(row[0], row[2]) for row in shelf.published(shelf.table.versions)]
    assert sorted(kept) == [
        (1, "first"), (2, "first"), (2, "second"),
        (3, "first"), (3, "second"), (3, "third"),
    ]  # fmt: skip
