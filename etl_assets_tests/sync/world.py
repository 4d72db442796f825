"""What may happen to tables between two looks at them: a state machine that writers and runs share.

A history is a sequence of these rules that hypothesis picks. At its end every transaction is over,
one sync and one reconciliation have run, and the warehouse must be the source, row for row: what is
published, and what is set aside. Which rows these are is computed by SQL of its own (`shapes.py`).
"""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from psycopg import sql

from etl_assets.core.errors import StalePublication
from etl_assets.core.partitions import WHOLE
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.publish import publish_days
from etl_assets.warehouse.publication import JobCost, Publication
from etl_assets_tests.sync.shapes import BAD, Row, Shape, day_of, literal
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf

IDS = st.integers(1, 12)
DAYS = st.integers(0, 3)
VALUES = st.sampled_from(["a", "b", "c", None])
NOW = "now()"
NEXT_TENTH = "date_bin('100 ms', now(), '2000-01-01Z') + interval '100 ms'"
STAMPS = st.sampled_from([NOW, NOW, NOW, "clock_timestamp()", NEXT_TENTH])
"""The writers' clocks: mostly right; some stamp the next tenth of a second, so that many are alike,
and a little in the future."""
BEHIND = st.sampled_from(["now() - interval '15 ms'", "now() - interval '1 hour'"])
AHEAD = st.sampled_from(["'2999-01-01Z'", "NULL", "'infinity'"])
SLOTS = st.integers(0, 1)


class Killed(BaseException):
    """Ends a run where a process would have died."""


class Side:
    """A table of the history: its shape, its shelf, and what is under way in its database."""

    def __init__(self, shape: Shape, shelf: Shelf) -> None:
        self.shape, self.shelf = shape, shelf
        self.open: dict[int, psycopg.Connection] = {}
        self.prepared: list[str] = []
        self.loaded: list[LoadedDay] = []
        self.is_silent = False
        self.pending_silent: set[int] = set()
        shelf.sql(*shape.create())


class World(RuleBasedStateMachine):
    """Writers, open transactions, syncs, loads and reconciliations of one table or several.

    A rule happens to the side that the history is `at`.
    """

    def __init__(self, open_sides: Callable[[], Sequence[Side]]) -> None:
        super().__init__()
        self.sides = open_sides()
        self.at = 0
        self.names = itertools.count()

    @initialize(rows=st.integers(0, 12))
    def some_rows(self, rows: int) -> None:
        for side in self.each():
            self.write(side.shape.some_rows(rows))

    @precondition(lambda self: len(self.sides) > 1)
    @rule()
    def turn_to_the_next_table(self) -> None:
        self.at = (self.at + 1) % len(self.sides)

    # Writers

    @rule(key=IDS, day=DAYS, stamp=STAMPS, v=VALUES, slot=st.none() | SLOTS)
    def put(self, key: int, day: int, stamp: str, v: str | None, slot: int | None) -> None:
        """An insert, or an update that may move the row to another day."""
        self.write(self.shape.put(key, day, stamp, v), slot)

    @rule(low=IDS, v=VALUES, slot=st.none() | SLOTS)
    def change_many(self, low: int, v: str | None, slot: int | None) -> None:
        """Many rows of one moment."""
        changed = f"UPDATE {self.table} SET v = {literal(v)}, updated_at = now() WHERE id >= {low}"
        self.write(changed, slot)

    @rule(key=IDS, day=DAYS, stamp=BEHIND, slot=st.none() | SLOTS)
    def put_with_a_slow_clock(self, key: int, day: int, stamp: str, slot: int | None) -> None:
        """A writer's clock that is behind: a little is caught by the lookback, an hour is not."""
        self.note_silent(slot, silent="hour" in stamp)
        self.write(self.shape.put(key, day, stamp, "slow"), slot)

    @rule(key=IDS, day=DAYS, stamp=AHEAD)
    def put_without_a_usable_cursor(self, key: int, day: int, stamp: str) -> None:
        self.write(self.shape.put(key, day, stamp, "odd"))

    @precondition(lambda self: self.shape.repeats)
    @rule(key=IDS, day=DAYS, stamp=STAMPS, v=VALUES, slot=st.none() | SLOTS)
    def put_again(self, key: int, day: int, stamp: str, v: str | None, slot: int | None) -> None:
        """A key a second time, where nothing in the source forbids it."""
        self.write(self.shape.insert(key, day, stamp, v), slot)

    @rule(key=IDS, amount=st.sampled_from(["'NaN'", "1.5"]), silent=st.booleans())
    def put_what_no_dtype_holds(self, key: int, amount: str, silent: bool) -> None:
        """Told by the cursor or behind its back."""
        self.note_silent(None, silent=silent)
        moment = "" if silent else ", updated_at = now()"
        changed = f"UPDATE {self.table} SET amount = {amount}{moment} "
        self.write(changed + f"WHERE {self.shape.is_key(key)}")

    @precondition(lambda self: self.shape.refuses)
    @rule(low=IDS, good=st.booleans(), silent=st.booleans())
    def break_or_mend_a_rule(self, low: int, good: bool, silent: bool) -> None:
        """So many rows that their days are refused, and let pass again."""
        self.note_silent(None, silent=silent)
        moment = "" if silent else ", updated_at = now()"
        v = literal("mended" if good else BAD)
        self.write(f"UPDATE {self.table} SET v = {v}{moment} WHERE id <= {low}")

    @rule(key=IDS, slot=st.none() | SLOTS)
    def delete(self, key: int, slot: int | None) -> None:
        self.note_silent(slot)
        self.write(f"DELETE FROM {self.table} WHERE {self.shape.is_key(key)}", slot)

    @rule(key=IDS, to=IDS, slot=st.none() | SLOTS)
    def change_the_key(self, key: int, to: int, slot: int | None) -> None:
        self.note_silent(slot)
        changed = f"UPDATE {self.table} SET id = {to}, updated_at = now() "
        self.write(changed + f"WHERE {self.shape.is_key(key)}", slot)

    @rule(key=IDS, day=DAYS)
    def move_behind_the_cursors_back(self, key: int, day: int) -> None:
        """A day that changes while the cursor does not."""
        self.note_silent(None)
        moved = f"UPDATE {self.table} SET created_at = {day_of(day)} "
        self.write(moved + f"WHERE {self.shape.is_key(key)}")

    # Transactions

    @rule(slot=SLOTS)
    def begin(self, slot: int) -> None:
        """A transaction that has written nothing yet: its now() is set."""
        if slot not in self.side.open:
            connection = psycopg.connect(self.shelf.url)
            connection.execute("SET LOCAL lock_timeout = '20ms'")
            self.side.open[slot] = connection

    @precondition(lambda self: self.side.open)
    @rule(slot=SLOTS, how=st.sampled_from(["commit", "commit", "rollback", "prepare"]))
    def end(self, slot: int, how: str) -> None:
        connection = self.side.open.pop(slot, None)
        if connection is None:
            return
        with connection, suppress(psycopg.Error):
            if how == "prepare":
                name = f"sim-{next(self.names)}"
                connection.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(name)))
                self.side.prepared.append(name)
            elif how == "commit":
                connection.commit()
            else:
                connection.rollback()
        self.side.is_silent |= slot in self.side.pending_silent
        self.side.pending_silent.discard(slot)

    @precondition(lambda self: self.side.prepared)
    @rule(how=st.sampled_from(["COMMIT", "ROLLBACK"]))
    def end_prepared(self, how: str) -> None:
        self.shelf.sql(f"{how} PREPARED '{self.side.prepared.pop(0)}'")

    # Runs

    @rule()
    def sync(self) -> None:
        """Which leaves days that wait as they were, unless it loads them whole (R2)."""
        before, waiting = self.rows_by_day(), self.waiting()
        self.shelf.sync()
        after = self.rows_by_day()
        for day in waiting & self.waiting():
            assert after[day] == before[day], f"{day} waits, and was published in part"

    @rule(after=st.integers(0, 2), committed=st.booleans())
    def sync_that_is_killed(self, after: int, committed: bool) -> None:
        """Dead before or after the commit of its n-th publication."""
        with dying(self.shelf, after, committed=committed), suppress(Killed):
            self.shelf.sync()

    @rule(first=DAYS, days=st.integers(1, 2))
    def load_days(self, first: int, days: int) -> None:
        """A backfill reads some days; when it publishes them is another rule."""
        chosen = [FIRST_DAY + timedelta(days=first + n) for n in range(days)]
        self.side.loaded = self.shelf.load(*(chosen if self.shape.has_days else [WHOLE]))

    @precondition(lambda self: self.side.loaded)
    @rule()
    def publish_loaded_days(self) -> None:
        """However old they are by now."""
        loaded, self.side.loaded = self.side.loaded, []
        with suppress(StalePublication):
            good = [day for day in loaded if day.is_good]
            publish_days(self.shelf.warehouse, self.shelf.table, good, "load")

    @rule(repair=st.booleans())
    def reconcile(self, repair: bool) -> None:
        self.shelf.reconcile(repair=repair)

    # The end

    def teardown(self) -> None:
        try:
            for side in self.each():
                for slot in list(side.open):
                    self.end(slot, "commit")
                while side.prepared:
                    self.end_prepared("COMMIT")
            for side in self.each():
                self.drain(side)
        finally:
            for side in self.sides:
                for connection in side.open.values():
                    connection.close()
                for name in side.prepared:
                    side.shelf.sql(f"ROLLBACK PREPARED '{name}'")

    def drain(self, side: Side) -> None:
        """Sync, and where no change went behind the cursor's back, that must have been enough."""
        shelf = side.shelf
        time.sleep(0.103)  # longer than any writer's clock is ahead, and than the source's margin
        self.sync()
        if not side.is_silent and not side.pending_silent:
            self.check("the sync alone has lost or doubled rows")
        shelf.reconcile()
        self.check("reconciliation has left a difference")
        self.check_state()
        self.mend()
        assert shelf.reconcile(repair=False).is_equal
        assert not any(chunk.outcome.days for chunk in shelf.sync()), "nothing was left to do"

    def mend(self) -> None:
        """Days that are refused still pass once their rows are good, or gone."""
        if not self.waiting():
            return
        self.write(f"UPDATE {self.table} SET v = 'mended' WHERE v = '{BAD}'")
        self.shelf.sql(self.shape.delete_bad_rows())
        time.sleep(0.003)
        self.shelf.sync()
        self.shelf.reconcile()
        assert not self.waiting(), "a day waits although nothing is wrong with it"
        self.check("a refused day was not made up for")

    def check(self, complaint: str) -> None:
        """Of every day that need not wait: its rows and its quarantine are the source's."""
        wanted, aside = self.shape.wanted(self.shelf), self.shape.set_aside(self.shelf)
        published = self.shelf.published()
        waiting = self.must_wait(published, wanted, aside)
        assert self.waiting() == waiting, "not the days that a check refuses wait"
        there = [row for row in published if self.shape.day(row) not in waiting]
        due = [row for row in wanted if self.shape.day(row) not in waiting]
        missing = [row for row in due if row not in there]
        extra = [row for row in there if row not in due]
        assert there == due, f"{complaint}: {missing=} {extra=}, {self.shelf.last}"
        recorded = self.shelf.warehouse.quarantined(self.shelf.table)
        found = Counter(
            (day, self.shape.key_in(payload))
            for day, payload in recorded.select("partition_key", "payload").iter_rows()
            if day not in waiting
        )
        assert found == Counter(row for row in aside if row[0] not in waiting), complaint
        keys = Counter(self.shape.key(row) for row in published)
        assert all(count == 1 for count in keys.values()), "a key is there twice"

    def must_wait(
        self, published: Sequence[Row], wanted: Sequence[Row], aside: Sequence[tuple[date, Row]]
    ) -> set[date]:
        """The days that a check refuses, and those where a row must stay that has left for one."""
        waiting = self.shape.refused_days(wanted, aside)
        now = [(self.shape.day(row), self.shape.key(row)) for row in wanted] + [*aside]
        more = waiting
        while more:
            gone = {key for day, key in now if day in more} - {
                key for day, key in now if day not in more
            }
            stays = {self.shape.day(row) for row in published if self.shape.key(row) in gone}
            more = stays - waiting
            waiting = waiting | more
        return waiting

    def rows_by_day(self) -> dict[date, list[Row]]:
        """What is published, by the part that it stands in."""
        found = defaultdict(list)
        for row in self.shelf.published():
            found[self.shape.day(row)].append(row)
        return found

    def waiting(self) -> set[date]:
        """The days that must be loaded whole."""
        state = self.shelf.warehouse.table_state(self.shelf.table)
        return set(state.reload_reasons) if state else set()

    def check_state(self) -> None:
        """State tells what is there; every version that is published is kept."""
        shelf = self.shelf
        rows = shelf.published()
        counted = Counter(self.shape.day(row) for row in rows)
        told = {s.partition_key: s.row_count for s in shelf.warehouse.state(shelf.table)}
        assert {day: n for day, n in told.items() if n} == dict(counted)
        assert shelf.table.versions is not None
        kept = shelf.published(shelf.table.versions)
        pairs = {(self.shape.key(row), self.shape.cursor(row)) for row in kept}
        assert len(pairs) == len(kept), "a version is there twice"
        now = {(self.shape.key(row), self.shape.cursor(row)) for row in rows}
        assert {pair for pair in now if pair[1]} <= pairs, "a version is missing"

    def each(self) -> Iterator[Side]:
        """Every side, which the history is at meanwhile."""
        for at, side in enumerate(self.sides):
            self.at = at
            yield side

    @property
    def side(self) -> Side:
        return self.sides[self.at]

    @property
    def shelf(self) -> Shelf:
        return self.side.shelf

    @property
    def shape(self) -> Shape:
        return self.side.shape

    @property
    def table(self) -> str:
        return self.shelf.table.name

    def write(self, statement: str, slot: int | None = None) -> None:
        """In an open transaction or one of its own; what collides with another is given up."""
        connection = self.side.open.get(slot) if slot is not None else None
        if connection is not None:
            with suppress(psycopg.Error), connection.transaction():
                connection.execute(statement.encode())
            return
        with suppress(psycopg.Error):
            self.shelf.sql("SET lock_timeout = '20ms'; " + statement)

    def note_silent(self, slot: int | None, *, silent: bool = True) -> None:
        """Remember that no cursor will tell of what is done now."""
        if silent and slot in self.side.open:
            self.side.pending_silent.add(slot)
        elif silent:
            self.side.is_silent = True


class dying:  # noqa: N801 - it is used as a statement
    """Lets the warehouse of a shelf kill its run at the n-th publication."""

    def __init__(self, shelf: Shelf, after: int, *, committed: bool) -> None:
        self.shelf, self.left, self.committed = shelf, after, committed
        self.publish: Callable[[Publication], Sequence[JobCost]] = shelf.warehouse.publish

    def __enter__(self) -> None:
        self.shelf.warehouse.publish = self._publish  # type: ignore[method-assign]

    def __exit__(self, *_: Any) -> None:
        del self.shelf.warehouse.publish

    def _publish(self, publication: Publication) -> Sequence[JobCost]:
        if self.left:
            self.left -= 1
            return self.publish(publication)
        if self.committed:
            self.publish(publication)
        raise Killed
