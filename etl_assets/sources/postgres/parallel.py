"""One reading of a table by several connections, all of them in one snapshot (C13).

The rows come slice by slice, in the order of the slices, whoever read them: what is made of them
does not depend on how many read. How a reading is cut is `slices.py`, how rows become frames is
`postgres/copy.py`.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

import polars as pl
import psycopg
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.errors import SourceUnavailable
from etl_assets.core.table import LayerTable
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.connection import driver_of
from etl_assets.postgres.copy import copy_frames
from etl_assets.postgres.interruptible import InterruptibleConnection
from etl_assets.sources.postgres.relations import hold

WAITING_BYTES = 64 << 20
"""So much may wait in memory for the slices before it."""

_USUAL_WORKERS = 4
_LOCK_TIMEOUT = "10s"
_ENDS_BY_ITSELF, _END_SECONDS = 0.2, 5.0


def usual_workers() -> int:
    """How many connections read a large table if nobody says otherwise: one a core, four at most.

    Each of them is a busy backend of the source's server, which has other work to do.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, _USUAL_WORKERS)


@dataclass
class Workers:
    """Where further connections come from; at most `most` read together, one alone where it is 1,
    as it is once the server has refused to hand a snapshot on."""

    connect: Callable[[], sa.Connection]
    most: int

    def joining(
        self, connection: psycopg.Connection, session: str, table: LayerTable
    ) -> Sequence["Joining"]:
        """Those that may join this one in its snapshot; each is told `session` first.

        Raises SourceUnavailable where the snapshot cannot be exported, which spoils the
        transaction; it is not tried again.
        """
        snapshot = self._export(connection)
        return [Joining(self.connect, snapshot, session, table) for _ in range(self.most - 1)]

    def _export(self, connection: psycopg.Connection) -> str:
        try:
            found = connection.execute("SELECT pg_export_snapshot()").fetchone()
        except psycopg.errors.OperationalError:
            raise
        except psycopg.Error:
            self.most = 1
        else:
            assert found  # noqa: S101 - it has an answer
            return str(found[0])
        raise SourceUnavailable(
            "The source database does not let several connections read in one snapshot.",
            "It is read again by one; ETL_READ_WORKERS=1 does not try the other.",
        )


@dataclass
class Joining:
    """A further connection, in the snapshot and under the lock of the first one."""

    connect: Callable[[], sa.Connection]
    snapshot: str
    session: str
    table: LayerTable

    @contextmanager
    def opened(self, tell: Callable[[psycopg.Connection], None]) -> Iterator[psycopg.Connection]:
        """The connection, which `tell` is told before it has joined: a pooler may let it wait.

        Raises sa.exc.SQLAlchemyError or psycopg.Error where it cannot be had.
        """
        with self.connect() as connection:
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            driver = driver_of(connection)
            tell(driver)
            try:
                name = sql.Literal(self.snapshot)
                driver.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(name))
                connection.exec_driver_sql(self.session)
                # Whoever waits to change the table waits for the first connection, and new locks
                # wait behind him: without an end, nobody would go on.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                hold(driver, self.table)
                yield driver
            finally:
                if isinstance(driver, InterruptibleConnection) and driver.has_grown:
                    driver.close()
                if driver.closed:  # so that nobody tries to roll it back
                    connection.invalidate()


def read_slices(
    first: psycopg.Connection,
    joining: Sequence[Joining],
    slices: Sequence[sql.Composed],
    columns: Sequence[ColumnRead],
    *,
    of: str,
) -> Generator[pl.DataFrame, None, None]:
    """Frames of the slices' rows, in the order of the slices. `of` names the table in messages.

    The first connection begins at once, the others when they have joined; one that cannot be had is
    done without. Closing the generator early ends every statement, and so does an interrupt. Raises
    what `copy_frames` raises, of the connection that failed first; the others are ended then.
    """
    shared = _Shared(len(slices))
    workers = [_Worker(slices, columns, shared, of, first)]
    workers += [_Worker(slices, columns, shared, of, joining=one) for one in joining]
    try:
        for worker in workers:
            worker.start()
        while (frame := shared.take()) is not None:
            yield frame
    finally:
        shared.stop()
        for worker in workers:
            worker.end()


class _Worker(threading.Thread):
    """Reads slices over one connection until there are no more."""

    def __init__(
        self,
        slices: Sequence[sql.Composed],
        columns: Sequence[ColumnRead],
        shared: "_Shared",
        of: str,
        connection: psycopg.Connection | None = None,
        joining: Joining | None = None,
    ) -> None:
        super().__init__(name="slice-reader", daemon=True)
        self._slices, self._columns, self._shared, self._of = slices, columns, shared, of
        self._connection, self._joining = connection, joining
        self._reads = joining is None

    def run(self) -> None:
        """What the thread does; an error is handed to the one who takes the frames."""
        try:
            with ExitStack() as stack:
                if self._joining is not None:
                    try:
                        stack.enter_context(self._joining.opened(self._know))
                    except (sa.exc.SQLAlchemyError, psycopg.Error):
                        self._shared.note(absent=1)
                        return
                    self._shared.note(joined=1)
                    self._reads = True
                self._read()
        except BaseException as error:
            self._shared.fail(error)

    def _know(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def _read(self) -> None:
        while (number := self._shared.next()) is not None:
            rows = self._slices[number]
            with closing(copy_frames(self._known, rows, self._columns, of=self._of)) as read:
                for frame in read:
                    if not self._shared.put(number, frame):
                        return
            self._shared.finish(number)

    def end(self) -> None:
        """Wait for the thread; a statement that still runs is cancelled, and the connection cut if
        nothing answers. Who waits for a connection ends by itself, and is not waited for."""
        if self.ident is None:  # an interrupt came before it was started
            return
        self.join(_ENDS_BY_ITSELF)
        deadline = time.monotonic() + (_END_SECONDS if self._reads else 0)
        while self.is_alive() and (left := deadline - time.monotonic()) > 0:
            with suppress(psycopg.Error):
                self._known.cancel_safe(timeout=left)
            self.join(0.1)
        if self.is_alive() and self._connection is not None:
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(self._connection.fileno())) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)
            self.join()

    @property
    def _known(self) -> psycopg.Connection:
        assert self._connection is not None  # noqa: S101 - it reads
        return self._connection


@dataclass
class _Shared:
    """What the workers and the one who takes their frames share.

    Slices are given out in their order, so that somebody works on the one that is wanted next: he
    is let in, and the others wait while too much is waiting already. `joined` counts the further
    connections that have joined the first, `absent` those that cannot be had.
    """

    slices: int
    joined: int = 0
    absent: int = 0
    _given: int = 0
    _wanted: int = 0
    _waiting: dict[int, deque[pl.DataFrame]] = field(default_factory=dict)
    _bytes: int = 0
    _finished: set[int] = field(default_factory=set)
    _error: BaseException | None = None
    _stopped: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def next(self) -> int | None:
        """A slice for who asks, None if there is none left or nobody wants it."""
        with self._changed:
            if self._stopped or self._given == self.slices:
                return None
            self._given += 1
            return self._given - 1

    def put(self, number: int, frame: pl.DataFrame) -> bool:
        """Leave a frame of a slice; False if nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._has_room(number))
            if not self._stopped:
                self._waiting.setdefault(number, deque()).append(frame)
                self._bytes += int(frame.estimated_size())
                self._changed.notify_all()
            return not self._stopped

    def _has_room(self, number: int) -> bool:
        if number == self._wanted:
            return not self._waiting.get(number)
        return self._bytes < WAITING_BYTES

    def note(self, *, joined: int = 0, absent: int = 0) -> None:
        """A further connection has joined, or cannot be had."""
        with self._changed:
            self.joined += joined
            self.absent += absent
            self._changed.notify_all()

    def finish(self, number: int) -> None:
        """All frames of a slice were left."""
        with self._changed:
            self._finished.add(number)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """A worker has ended with an error; the first one counts."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody wants frames any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def take(self) -> pl.DataFrame | None:
        """The next frame, None after the last one; raises the error of a worker."""
        with self._changed:
            while self._wanted < self.slices:
                self._changed.wait_for(
                    lambda: (
                        self._error
                        or self._waiting.get(self._wanted)
                        or self._wanted in self._finished
                    )
                )
                if self._error:
                    raise self._error
                if self._waiting.get(self._wanted):
                    frame = self._waiting[self._wanted].popleft()
                    self._bytes -= int(frame.estimated_size())
                    self._changed.notify_all()
                    return frame
                self._waiting.pop(self._wanted, None)
                self._finished.discard(self._wanted)
                self._wanted += 1
                self._changed.notify_all()
            return None
