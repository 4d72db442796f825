"""What may happen to a table between two looks at it: a state machine that writers and runs share.

A history is a sequence of these rules that hypothesis picks. At its end every transaction is over,
one sync and one reconciliation have run, and the warehouse must be the source, row for row.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from psycopg import sql

from etl_assets.core.errors import StalePublication
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.publish import publish_days
from etl_assets.warehouse.publication import JobCost, Publication
from etl_assets_tests.sync.shelf import CREATE, FIRST_DAY, Shelf

IDS = st.integers(1, 12)
DAYS = st.integers(0, 3)
VALUES = st.sampled_from(["a", "b", "c", None])
NOW = "now()"
STAMPS = st.sampled_from(
    [NOW, NOW, NOW, "clock_timestamp()", "date_trunc('second', now()) + interval '1 s'"]
)
"""The writers' clocks: mostly right; some stamp the next whole second, so that many are alike."""
BEHIND = st.sampled_from(["now() - interval '15 ms'", "now() - interval '1 hour'"])
AHEAD = st.sampled_from(["'2999-01-01Z'", "NULL", "'infinity'"])
SLOTS = st.integers(0, 1)


class Killed(BaseException):
    """Ends a run where a process would have died."""


class World(RuleBasedStateMachine):
    """Writers, open transactions, syncs, loads and reconciliations of one table."""

    def __init__(self, open_shelf: Callable[[], Shelf]) -> None:
        super().__init__()
        self.shelf = open_shelf()
        self.open: dict[int, psycopg.Connection] = {}
        self.prepared: list[str] = []
        self.names = itertools.count()
        self.loaded: list[LoadedDay] = []
        self.is_silent = False
        self.pending_silent: set[int] = set()
        name = self.shelf.table.name
        self.shelf.sql(f"DROP TABLE IF EXISTS {name}", *CREATE.format(name=name).split(";"))

    @initialize(rows=st.integers(0, 12))
    def some_rows(self, rows: int) -> None:
        self.write(
            f"INSERT INTO {self.table} SELECT n, {day_of(0)} + n * interval '7 hours', now(), "
            f"'v', n FROM generate_series(1, {rows}) AS n"
        )

    # Writers

    @rule(key=IDS, day=DAYS, stamp=STAMPS, v=VALUES, slot=st.none() | SLOTS)
    def put(self, key: int, day: int, stamp: str, v: str | None, slot: int | None) -> None:
        """An insert, or an update that may move the row to another day."""
        self.write(put_row(self.table, key, day, stamp, v), slot)

    @rule(low=IDS, v=VALUES, slot=st.none() | SLOTS)
    def change_many(self, low: int, v: str | None, slot: int | None) -> None:
        """Many rows of one moment."""
        changed = f"UPDATE {self.table} SET v = {literal(v)}, updated_at = now() WHERE id >= {low}"
        self.write(changed, slot)

    @rule(key=IDS, day=DAYS, stamp=BEHIND, slot=st.none() | SLOTS)
    def put_with_a_slow_clock(self, key: int, day: int, stamp: str, slot: int | None) -> None:
        """A writer's clock that is behind: a little is caught by the lookback, an hour is not."""
        self.note_silent(slot, silent="hour" in stamp)
        self.write(put_row(self.table, key, day, stamp, "slow"), slot)

    @rule(key=IDS, day=DAYS, stamp=AHEAD)
    def put_without_a_usable_cursor(self, key: int, day: int, stamp: str) -> None:
        self.write(put_row(self.table, key, day, stamp, "odd"))

    @rule(key=IDS, amount=st.sampled_from(["'NaN'", "1.5"]))
    def put_what_no_dtype_holds(self, key: int, amount: str) -> None:
        changed = f"UPDATE {self.table} SET amount = {amount}, updated_at = now() WHERE id = {key}"
        self.write(changed)

    @rule(key=IDS, slot=st.none() | SLOTS)
    def delete(self, key: int, slot: int | None) -> None:
        self.note_silent(slot)
        self.write(f"DELETE FROM {self.table} WHERE id = {key}", slot)

    @rule(key=IDS, to=IDS, slot=st.none() | SLOTS)
    def change_the_key(self, key: int, to: int, slot: int | None) -> None:
        self.note_silent(slot)
        changed = f"UPDATE {self.table} SET id = {to}, updated_at = now() WHERE id = {key}"
        self.write(changed, slot)

    @rule(key=IDS, day=DAYS)
    def move_behind_the_cursors_back(self, key: int, day: int) -> None:
        """A day that changes while the cursor does not."""
        self.note_silent(None)
        self.write(f"UPDATE {self.table} SET created_at = {day_of(day)} WHERE id = {key}")

    # Transactions

    @rule(slot=SLOTS)
    def begin(self, slot: int) -> None:
        """A transaction that has written nothing yet: its now() is set."""
        if slot not in self.open:
            connection = psycopg.connect(self.shelf.url)
            connection.execute("SET LOCAL lock_timeout = '20ms'")
            self.open[slot] = connection

    @precondition(lambda self: self.open)
    @rule(slot=SLOTS, how=st.sampled_from(["commit", "commit", "rollback", "prepare"]))
    def end(self, slot: int, how: str) -> None:
        connection = self.open.pop(slot, None)
        if connection is None:
            return
        with connection, suppress(psycopg.Error):
            if how == "prepare":
                name = f"sim-{next(self.names)}"
                connection.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(name)))
                self.prepared.append(name)
            elif how == "commit":
                connection.commit()
            else:
                connection.rollback()
        self.is_silent |= slot in self.pending_silent
        self.pending_silent.discard(slot)

    @precondition(lambda self: self.prepared)
    @rule(how=st.sampled_from(["COMMIT", "ROLLBACK"]))
    def end_prepared(self, how: str) -> None:
        self.shelf.sql(f"{how} PREPARED '{self.prepared.pop(0)}'")

    # Runs

    @rule()
    def sync(self) -> None:
        self.shelf.sync()

    @rule(after=st.integers(0, 2), committed=st.booleans())
    def sync_that_is_killed(self, after: int, committed: bool) -> None:
        """Dead before or after the commit of its n-th publication."""
        with dying(self.shelf, after, committed=committed), suppress(Killed):
            self.shelf.sync()

    @rule(first=DAYS, days=st.integers(1, 2))
    def load_days(self, first: int, days: int) -> None:
        """A backfill reads some days; when it publishes them is another rule."""
        chosen = [FIRST_DAY + timedelta(days=first + n) for n in range(days)]
        self.loaded = self.shelf.load(*chosen)

    @precondition(lambda self: self.loaded)
    @rule()
    def publish_loaded_days(self) -> None:
        """However old they are by now."""
        loaded, self.loaded = self.loaded, []
        with suppress(StalePublication):
            publish_days(self.shelf.warehouse, self.shelf.table, loaded, "load")

    @rule(repair=st.booleans())
    def reconcile(self, repair: bool) -> None:
        self.shelf.reconcile(repair=repair)

    # The end

    def teardown(self) -> None:
        try:
            for slot in list(self.open):
                self.end(slot, "commit")
            while self.prepared:
                self.end_prepared("COMMIT")
            self.drain()
        finally:
            for connection in self.open.values():
                connection.close()
            for name in self.prepared:
                self.shelf.sql(f"ROLLBACK PREPARED '{name}'")

    def drain(self) -> None:
        """Sync, and where no change went behind the cursor's back, that must have been enough."""
        shelf = self.shelf
        time.sleep(0.003)  # longer than the margin before the source's clock
        shelf.sync()
        if not self.is_silent and not self.pending_silent:
            assert shelf.published() == shelf.wanted(), "the sync alone has lost or doubled rows"
        shelf.reconcile()
        assert shelf.published() == shelf.wanted()
        self.check_state()
        assert shelf.reconcile(repair=False).is_equal
        assert not any(chunk.outcome.days for chunk in shelf.sync()), "nothing was left to do"

    def check_state(self) -> None:
        """State tells what is there; every version that is published is kept."""
        shelf = self.shelf
        rows = shelf.published()
        counted: dict[date, int] = {}
        for row in rows:
            counted[row[1].date()] = counted.get(row[1].date(), 0) + 1
        told = {s.partition_key: s.row_count for s in shelf.warehouse.state(shelf.table)}
        assert {day: n for day, n in told.items() if n} == counted
        assert shelf.table.versions is not None
        kept = shelf.published(shelf.table.versions)
        pairs = [(row[0], row[2]) for row in kept]
        assert len(set(pairs)) == len(pairs), "a version is there twice"
        assert {(row[0], row[2]) for row in rows if row[2]} <= set(pairs), "a version is missing"

    @property
    def table(self) -> str:
        return self.shelf.table.name

    def write(self, statement: str, slot: int | None = None) -> None:
        """In an open transaction or one of its own; what collides with another is given up."""
        connection = self.open.get(slot) if slot is not None else None
        if connection is not None:
            with suppress(psycopg.Error), connection.transaction():
                connection.execute(statement.encode())
            return
        with suppress(psycopg.Error):
            self.shelf.sql("SET lock_timeout = '20ms'; " + statement)

    def note_silent(self, slot: int | None, *, silent: bool = True) -> None:
        """Remember that no cursor will tell of what is done now."""
        if silent and slot in self.open:
            self.pending_silent.add(slot)
        elif silent:
            self.is_silent = True


def day_of(number: int) -> str:
    return f"('{FIRST_DAY}Z'::timestamptz + interval '{number} days 5 hours')"


def literal(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


def put_row(table: str, key: int, day: int, stamp: str, v: str | None) -> str:
    return (
        f"INSERT INTO {table} VALUES ({key}, {day_of(day)}, {stamp}, {literal(v)}, {key}) "
        "ON CONFLICT (id) DO UPDATE SET (created_at, updated_at, v) = "
        "(excluded.created_at, excluded.updated_at, excluded.v)"
    )


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
