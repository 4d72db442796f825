"""What writers do to the tables of a history, in transactions that may stay open.

What runs of the platform do, and what must hold at the end, is `world.py`.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from psycopg import sql

from etl_assets.pipeline.days import LoadedDay
from etl_assets_tests.sync.shapes import BAD, Shape, day_of, literal
from etl_assets_tests.sync.shelf import Shelf

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


class Writers(RuleBasedStateMachine):
    """Writers and their transactions, in one table or several.

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
