"""The bytes of a COPY, moved in a thread to the one that parses them.

They go through a pipe, in which a parser sees the end of one block and the start of the next. A row
that may be longer than a block is handed over in memory instead, with the rows before it, and a new
pipe begins behind it. What is made of the bytes is `copy.py`.
"""

import os
import queue
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from etl_assets.postgres.interruptible import InterruptibleConnection, name_target

_PIPE_BYTES = 1 << 20
_WRITE_BYTES = 1 << 18
_F_SETPIPE_SZ = 1031
_CANCEL_SECONDS = 5.0
_WAIT_SECONDS = 0.05


@dataclass
class LargeRows:
    """Whole rows in memory, one of which may be longer than a block; they can be taken once.

    There are two at least, unless none follows: Polars copies the values of a frame of one row with
    everything that is done with it.
    """

    _data: bytearray

    def take(self) -> bytearray:
        """The rows, which are not kept here any longer."""
        data, self._data = self._data, bytearray()
        return data


Part = IO[bytes] | LargeRows
"""Whole rows, in a pipe or in memory."""


class _Ended(Exception):
    """Nobody wants the rows any more."""


class Pump(threading.Thread):
    """Moves the bytes of a COPY to who takes its `parts`; keeps the error, if there was one.

    It asks libpq for each row itself: psycopg's own loop costs over twice the CPU a row, and the
    consumer waits for it, since both need the interpreter's lock.
    """

    def __init__(
        self, connection: psycopg.Connection, rows: sql.Composed, block_bytes: int
    ) -> None:
        super().__init__(name="copy-pump", daemon=True)
        self._asked, self._begun = False, threading.Event()
        self.error: psycopg.Error | None = None
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(rows)
        self._statement = statement.as_bytes(connection)
        self._connection = connection
        self._server = connection.pgconn
        self._block_bytes = block_bytes
        self._parts: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self._room = threading.Semaphore()  # for large rows once
        self._sink: IO[bytes] | None = None
        # A byte in this pipe ends the pump, wherever it waits.
        self._ending, self._bell = os.pipe()
        self._poll, self._sink_poll = select.poll(), select.poll()
        self._poll.register(self._server.socket, select.POLLIN)
        for poll in (self._poll, self._sink_poll):
            poll.register(self._ending, select.POLLIN)

    def start(self) -> None:
        """Begin the COPY."""
        self._asked = True
        super().start()

    def parts(self) -> Iterator[Part]:
        """The rows in their order, in parts: each is to be read to its end before the next."""
        while (part := self._parts.get()) is not None:
            try:
                yield part
            finally:
                if isinstance(part, LargeRows):
                    self._room.release()
                else:
                    part.close()
            del part

    def end(self) -> None:
        """Cancel the COPY and wait for the thread; the connection is cut if nothing answers."""
        os.write(self._bell, b".")
        if self._asked:  # an interrupt may have met `start`, and the thread begins all the same
            self._begun.wait(_CANCEL_SECONDS)
        deadline = time.monotonic() + _CANCEL_SECONDS
        try:
            # More than once: a cancel that comes before the statement ends nothing.
            while self.is_alive() and (left := deadline - time.monotonic()) > 0:
                with suppress(psycopg.Error):
                    self._connection.cancel_safe(timeout=left)
                self.join(0.1)
        finally:
            if self.is_alive():
                with suppress(OSError), socket.socket(fileno=os.dup(self._server.socket)) as line:
                    line.shutdown(socket.SHUT_RDWR)
                self.join()
            self.close()

    def close(self) -> None:
        """Close all pipes, once the thread has ended."""
        os.close(self._ending)
        os.close(self._bell)
        while not self._parts.empty():
            part = self._parts.get()
            if part is not None and not isinstance(part, LargeRows):
                part.close()
        self._parts.put(None)  # for a parser whose thread has only just started

    def run(self) -> None:
        """What the thread does: the whole COPY, until its end or `end`."""
        self._begun.set()
        try:
            try:
                with suppress(BrokenPipeError, _Ended):
                    self._server.send_query(self._statement)
                    self._expect(ExecStatus.COPY_OUT)
                    self._pump()
            finally:
                self._close_pipe()
                self._parts.put(None)
            # Nobody may be reading any more; the server's side is ended all the same.
            self._poll.unregister(self._ending)
            for _ in self._rows():
                pass
            self._expect(ExecStatus.COMMAND_OK)
        except psycopg.Error as error:
            if isinstance(self._connection, InterruptibleConnection):
                name_target(error, self._connection.target)
            self.error = error
        finally:
            with suppress(psycopg.Error):
                self._drain()

    def _drain(self) -> None:
        while True:
            for _ in self._rows():
                pass
            while self._server.is_busy():
                self._await_input()
            if self._server.get_result() is None:
                return

    def _pump(self) -> None:
        pending = bytearray()
        for row in self._rows():  # gathered, or each would be a system call
            pending += row
            if len(pending) < _WRITE_BYTES:
                continue
            if len(pending) <= self._block_bytes:
                self._write_all(self._sink or self._open_pipe(), pending)
                pending.clear()
            elif len(pending) > len(row):
                self._hand_over(pending)
                pending = bytearray()
        if len(pending) > self._block_bytes:
            self._hand_over(pending)
        else:
            self._write_all(self._sink or self._open_pipe(), pending)

    def _hand_over(self, rows: bytearray) -> None:
        """Give rows to the parser as they are, once that is done with what came so before."""
        if isinstance(self._connection, InterruptibleConnection):
            self._connection.has_grown = True
        self._close_pipe()
        while not self._room.acquire(timeout=_WAIT_SECONDS):
            self._stop_if_ended(self._sink_poll.poll(0))
        self._parts.put(LargeRows(rows))

    def _open_pipe(self) -> IO[bytes]:
        source, sink = os.pipe()
        _widen(sink)
        os.set_blocking(sink, False)
        self._sink = os.fdopen(sink, "wb", buffering=0)
        self._sink_poll.register(sink, select.POLLOUT)
        self._parts.put(os.fdopen(source, "rb", buffering=_PIPE_BYTES))
        return self._sink

    def _close_pipe(self) -> None:
        if self._sink is not None:
            self._sink_poll.unregister(self._sink)
            self._sink.close()
            self._sink = None

    def _rows(self) -> Iterator[memoryview]:
        # An error has no SQLSTATE here: the result that follows has, and is asked for next.
        with suppress(psycopg.OperationalError):
            while (row := self._server.get_copy_data(1))[0] >= 0:
                if row[0]:
                    yield row[1]
                else:
                    self._await_input()

    def _expect(self, status: ExecStatus) -> None:
        while self._server.is_busy():
            self._await_input()
        result = self._server.get_result()
        if result is None:
            raise psycopg.OperationalError("the connection broke off")
        if result.status != status:
            raise psycopg.errors.error_from_result(result)

    def _await_input(self) -> None:
        """Wait where others may run: libpq's own blocking calls keep the interpreter's lock."""
        while self._server.flush():
            self._stop_if_ended(self._poll.poll(10))
        self._stop_if_ended(self._poll.poll())
        self._server.consume_input()

    def _write_all(self, sink: IO[bytes], data: bytearray) -> None:
        view = memoryview(data)
        try:
            while view:
                written: int | None = sink.write(view)
                if written is None:  # the pipe is full
                    self._stop_if_ended(self._sink_poll.poll())
                else:
                    view = view[written:]
        finally:
            view.release()

    def _stop_if_ended(self, ready: list[tuple[int, int]]) -> None:
        if any(number == self._ending for number, _ in ready):
            raise _Ended


def _widen(pipe: int) -> None:
    """A pipe of 1 MiB where the system allows it (Linux); elsewhere it works as it is."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
