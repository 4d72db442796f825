"""`COPY … TO STDOUT (FORMAT csv)` as a stream of Polars frames in declared dtypes.

A thread pumps the bytes into a pipe while pyarrow parses: a quarter faster than reading in the
parser's own thread, and the memory is bounded by the block. pyarrow parses in a thread as well, so
that a signal reaches the one that waits. What is selected is decided elsewhere.
"""

import os
import re
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, TYPE_CHECKING

import polars as pl
import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from etl_assets.core.errors import ContractMismatch
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.interruptible import InterruptibleConnection, name_target

if TYPE_CHECKING:
    import pyarrow as pa

EXACT_TEXT = (
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; "
    "SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL extra_float_digits = 1; "
    "SET LOCAL bytea_output = 'hex'"
)
"""What a transaction must be told for the text of its values to be the exact one read here."""

BLOCK_BYTES = 8 << 20
_PIPE_BYTES = 1 << 20
_WRITE_BYTES = 1 << 18
_F_SETPIPE_SZ = 1031
_CANCEL_SECONDS = 5.0


def copy_frames(
    connection: psycopg.Connection,
    rows: sql.Composed,
    columns: Sequence[ColumnRead],
    *,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[pl.DataFrame]:
    """Frames of the SELECT's rows, in its order; none where it has no rows.

    Closing the iterator early cancels the COPY, and so does an interrupt. Raises psycopg.Error
    where the server breaks off (the frames until then are an unfinished day), ContractMismatch
    where a value does not parse.
    """
    read_end, write_end = os.pipe()
    _widen(write_end)
    pump = _Pump(connection, rows, write_end)
    with (
        os.fdopen(read_end, "rb", buffering=_PIPE_BYTES) as stream,
        ThreadPoolExecutor(1, thread_name_prefix="copy-parser") as parser,
    ):
        batches = _parse(stream, columns, block_bytes)
        try:
            pump.start()
            while (batch := parser.submit(next, batches, None).result()) is not None:
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)  # noqa: S101 - from_arrow of a batch
                yield _finish(frame, columns)
            pump.join()
        except BaseException:
            pump.end()  # it closes the pipe, which lets the parser go
            raise
        pump.close()
    if pump.error is not None:
        raise pump.error


def _finish(frame: pl.DataFrame, columns: Sequence[ColumnRead]) -> pl.DataFrame:
    for column in columns:
        if column.finish is not None:
            try:
                frame = frame.with_columns(column.finish)
            except pl.exceptions.PolarsError:  # its message quotes the value
                failure = column.failure
            else:
                continue
            raise ContractMismatch(
                f"A value of column {column.name!r} {failure}.",
                "Set the column's policy in its contract (`ambiguous`, `on_unrepresentable`), "
                "or correct the rows in the source.",
            )
    return frame


def _parse(
    stream: IO[bytes], columns: Sequence[ColumnRead], block_bytes: int
) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    types = {column.name: column.arrow.made() for column in columns}
    try:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=list(types), block_size=block_bytes),
            # An empty line is a NULL where the table has one column only, never nothing.
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                true_values=["t"],
                false_values=["f"],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        yield from reader
        return
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        # Arrow quotes the value it could not parse, and that may be personal.
        message = str(error)
    if "straddling object" in message:
        raise ContractMismatch(
            f"A row of the source is longer than {block_bytes >> 20} MiB.",
            "Leave its longest column out of the contract, or shorten it in the source.",
        )
    number = re.search(r"column #(\d+)", message)
    where = repr(list(types)[int(number[1])]) if number else "unknown"
    raise ContractMismatch(
        f"A value of the source does not fit the declared dtype of column {where}.",
        "Compare the table's contract with the source column's values.",
    )


class _Ended(Exception):
    """Nobody wants the rows any more."""


class _Pump(threading.Thread):
    """Moves the bytes of a COPY into a pipe and closes it; keeps the error, if there was one.

    It asks libpq for each row itself: psycopg's own loop costs over twice the CPU a row, and the
    consumer waits for it, since both need the interpreter's lock.
    """

    def __init__(self, connection: psycopg.Connection, rows: sql.Composed, sink: int) -> None:
        super().__init__(name="copy-pump", daemon=True)
        self.error: psycopg.Error | None = None
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(rows)
        self._statement = statement.as_bytes(connection)
        self._connection = connection
        self._server = connection.pgconn
        self._sink = sink
        # A byte in this pipe ends the pump, wherever it waits.
        self._ending, self._bell = os.pipe()
        self._poll, self._sink_poll = select.poll(), select.poll()
        self._poll.register(self._server.socket, select.POLLIN)
        self._sink_poll.register(self._sink, select.POLLOUT)
        for poll in (self._poll, self._sink_poll):
            poll.register(self._ending, select.POLLIN)

    def end(self) -> None:
        """Cancel the COPY and wait for the thread; the connection is cut if nothing answers."""
        os.write(self._bell, b".")
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
        """Close the pipe that ends the thread, once it has ended."""
        os.close(self._ending)
        os.close(self._bell)

    def run(self) -> None:
        try:
            with os.fdopen(self._sink, "wb", buffering=0) as sink:
                os.set_blocking(self._sink, False)
                with suppress(BrokenPipeError, _Ended):
                    self._server.send_query(self._statement)
                    self._expect(ExecStatus.COPY_OUT)
                    self._pump(sink)
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

    def _pump(self, sink: IO[bytes]) -> None:
        pending = bytearray()
        for row in self._rows():  # gathered, or each would be a system call
            pending += row
            if len(pending) >= _WRITE_BYTES:
                self._write_all(sink, pending)
                pending.clear()
        self._write_all(sink, pending)

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
