"""Histories of a table, one by one, each the story of how a sync by a cursor loses or doubles rows.

A history is told to a real PostgreSQL while a runner syncs in between: ours here, dlt's in
`benchmarks/dlt_histories.py`. What a runner ends with is held against the source.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from etl_assets_tests.source_tables import run
from etl_assets_tests.sync.dying import Killed, dying
from etl_assets_tests.sync.shelf import CREATE, FIRST_DAY, Shelf

TABLE = "shelf"
PAGE = 7
Row = tuple[Any, ...]


class Runner(Protocol):
    """Whoever syncs the table."""

    def sync(self, meanwhile: Callable[[], None] | None = None) -> None:
        """One run; `meanwhile` is called once, when it has read a part."""

    def die(self, *, loaded: bool) -> None:
        """A run that is killed when its rows are `loaded` and not finished yet, or before."""

    def rows(self) -> list[Row]:
        """What the warehouse has: id, created_at, updated_at, v, amount."""


@dataclass(frozen=True)
class Stage:
    """Where a history is played: the source, the runner, and how long `wait` is, in seconds.

    That is longer than the runner looks back, unless the history is a near one.
    """

    url: str
    runner: Runner
    patience: float

    def sql(self, *statements: str) -> list[Row]:
        """Each in a transaction of its own."""
        return run(self.url, *statements)

    def put(self, first: int, last: int, v: str, stamp: str = "now()") -> None:
        """Rows with these ids, new or changed, all of one moment and spread over three days."""
        self.sql(insert(first, last, v, stamp))

    @contextmanager
    def transaction(self, statement: str) -> Iterator[psycopg.Connection]:
        """A session that has executed the statement and stays open meanwhile."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())
            yield connection

    def wait(self) -> None:
        """Longer than anybody looks back."""
        time.sleep(self.patience)


def insert(first: int, last: int, v: str, stamp: str = "now()") -> str:
    return (
        f"INSERT INTO {TABLE} SELECT n, '{FIRST_DAY}Z'::timestamptz + n % 3 * interval '1 day', "
        f"{stamp}, '{v}', n FROM generate_series({first}, {last}) AS n ON CONFLICT (id) DO UPDATE "
        "SET updated_at = excluded.updated_at, v = excluded.v"
    )


@dataclass(frozen=True)
class History:
    """A story with its title.

    `near` where all happens within the time that a runner looks back, if it does; `silent` where no
    cursor tells of it, only a reconciliation.
    """

    title: str
    play: Callable[[Stage], None]
    near: bool = False
    silent: bool = False


def ties(stage: Stage) -> None:
    stage.put(1, 20, "changed in one statement")


def same_moment(stage: Stage) -> None:
    stage.put(10, 10, "later", f"(SELECT max(updated_at) FROM {TABLE})")


def late_commit(stage: Stage) -> None:
    with stage.transaction(insert(11, 13, "late")):
        stage.wait()
        stage.put(14, 14, "on time")
        stage.runner.sync()


def soon_commit(stage: Stage) -> None:
    with stage.transaction(insert(11, 13, "late")):
        stage.put(14, 14, "on time")
        stage.runner.sync()


def late_first_write(stage: Stage) -> None:
    with stage.transaction("SELECT now()") as connection:
        stage.wait()
        stage.put(14, 14, "on time")
        stage.runner.sync()
        connection.execute(insert(11, 13, "late").encode())


def prepared(stage: Stage) -> None:
    name = "a-history"
    with suppress(psycopg.Error):
        stage.sql(f"ROLLBACK PREPARED '{name}'")
    with stage.transaction(insert(11, 13, "late")) as connection:
        connection.execute(f"PREPARE TRANSACTION '{name}'".encode())
    stage.wait()
    stage.put(14, 14, "on time")
    stage.runner.sync()
    stage.sql(f"COMMIT PREPARED '{name}'")


def slightly_slow_clock(stage: Stage) -> None:
    stage.put(11, 11, "right clock")
    stage.runner.sync()
    stage.put(5, 7, "slow clock", "now() - interval '20 s'")


def slow_clock(stage: Stage) -> None:
    stage.put(11, 11, "right clock")
    stage.runner.sync()
    stage.put(5, 7, "slow clock", "now() - interval '1 hour'")


def deletes(stage: Stage) -> None:
    stage.sql(f"DELETE FROM {TABLE} WHERE id IN (4, 5, 6)")


def key_change(stage: Stage) -> None:
    stage.sql(f"UPDATE {TABLE} SET id = 90, updated_at = now() WHERE id = 9")


def moved_day(stage: Stage) -> None:
    moved = "created_at = created_at + interval '2 days', updated_at = now()"
    stage.sql(f"UPDATE {TABLE} SET {moved} WHERE id <= 9")


def without_cursor(stage: Stage) -> None:
    stage.put(11, 13, "no cursor", "NULL")
    stage.runner.sync()
    stage.sql(f"UPDATE {TABLE} SET v = 'changed' WHERE id = 12")


def far_future(stage: Stage) -> None:
    stage.put(11, 11, "from 2999", "'2999-01-01Z'")
    stage.runner.sync()
    stage.put(1, 3, "after that")


def while_paging(stage: Stage) -> None:
    stage.put(1, 10, "once")
    stage.runner.sync(meanwhile=lambda: stage.put(1, 10, "twice"))


def killed_before(stage: Stage) -> None:
    stage.put(1, 14, "read by a run that dies")
    stage.runner.die(loaded=False)


def killed_after(stage: Stage) -> None:
    stage.put(1, 14, "loaded by a run that dies")
    stage.runner.die(loaded=True)
    stage.put(2, 3, "and changed since")


def new_column(stage: Stage) -> None:
    stage.sql(f"ALTER TABLE {TABLE} ADD COLUMN more text")
    stage.put(9, 13, "with one more column")


HISTORIES = (
    History("20 rows of one moment, more than a page", ties),
    History("a change with the very cursor that was read last", same_moment, near=True),
    History("a transaction open during a sync, shorter than the lag", soon_commit, near=True),
    History("the same, longer than the lag", late_commit),
    History("a transaction that writes for the first time after the sync", late_first_write),
    History("a prepared transaction, committed after the sync", prepared),
    History("a writer's clock 20 s behind", slightly_slow_clock, near=True),
    History("rows without a cursor, and a change of one", without_cursor),
    History("a row from 2999, then ordinary changes", far_future),
    History("rows that change while they are read", while_paging),
    History("a run killed before it has loaded, the next on a new machine", killed_before),
    History("a run killed when it has loaded, the next on a new machine", killed_after),
    History("rows that move to another day", moved_day),
    History("a new column in the source", new_column),
    History("deleted rows", deletes, silent=True),
    History("a changed key", key_change, silent=True),
    History("a writer's clock an hour behind", slow_clock, silent=True),
)


def begin(url: str) -> None:
    """The table of every history, with ten rows."""
    run(url, f"DROP TABLE IF EXISTS {TABLE}", *CREATE.format(name=TABLE).split(";"))
    run(url, insert(1, 10, "at first"))


def play(history: History, stage: Stage) -> None:
    """The first sync, the history, and a last sync when all is over."""
    begin(stage.url)
    settle(stage)
    history.play(stage)
    settle(stage)


def settle(stage: Stage) -> None:
    time.sleep(0.003)  # our margin behind the source's clock
    stage.runner.sync()


@dataclass(frozen=True)
class Verdict:
    """How the rows of a runner differ from the source's: three numbers of rows.

    `lost` are absent or an older version, `doubled` there more than once, `ghosts` no longer in the
    source.
    """

    lost: int
    doubled: int
    ghosts: int

    @property
    def is_equal(self) -> bool:
        """Whether the warehouse is the source."""
        return not (self.lost or self.doubled or self.ghosts)


def judge(source: Sequence[Row], found: Sequence[Row]) -> Verdict:
    keys = {row[0] for row in found}
    return Verdict(
        lost=len(set(source) - set(found)),
        doubled=len(found) - len(keys),
        ghosts=len(keys - {row[0] for row in source}),
    )


def source_rows(url: str) -> list[Row]:
    return run(url, f"SELECT id, created_at, updated_at, v, amount FROM {TABLE} ORDER BY id")


@dataclass(frozen=True)
class Ours:
    """Our sync, in pages of PAGE rows."""

    shelf: Shelf

    def sync(self, meanwhile: Callable[[], None] | None = None) -> None:
        if meanwhile is None:
            self.shelf.sync()
            return
        chunks = self.shelf.chunks()
        next(chunks)
        meanwhile()
        list(chunks)

    def die(self, *, loaded: bool) -> None:
        """At its second chunk."""
        with dying(self.shelf, 1, committed=loaded), suppress(Killed):
            self.shelf.sync()

    def rows(self) -> list[Row]:
        return self.shelf.published()
