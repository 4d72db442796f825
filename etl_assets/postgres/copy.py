"""`COPY … TO STDOUT (FORMAT csv)` as a stream of Polars frames in declared dtypes.

A thread pumps the bytes into a pipe while pyarrow parses: a quarter faster than reading in the
parser's own thread, and the memory is bounded by the block. What is selected is decided elsewhere.
"""

import os
import re
import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO

import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql
from psycopg.pq import ExecStatus

from etl_assets.core.errors import ContractMismatch
from etl_assets.postgres.columns import ColumnRead

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


def copy_frames(
    connection: psycopg.Connection,
    rows: sql.Composed,
    columns: Sequence[ColumnRead],
    *,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[pl.DataFrame]:
    """Frames of the SELECT's rows, in its order; none where it has no rows.

    Closing the iterator early cancels the COPY. Raises psycopg.Error where the server breaks off
    (the frames until then are an unfinished day), ContractMismatch where a value does not parse.
    """
    read_end, write_end = os.pipe()
    _widen(write_end)
    pump = _Pump(connection, rows, write_end)
    pump.start()
    with os.fdopen(read_end, "rb", buffering=_PIPE_BYTES) as stream:
        try:
            for batch in _parse(stream, columns, block_bytes):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)  # noqa: S101 - from_arrow of a batch
                yield _finish(frame, columns)
        except BaseException:
            # First the server's side: closing the stream waits for a read that is under way.
            with suppress(psycopg.Error):
                connection.cancel_safe()
            stream.close()
            pump.join()
            raise
        pump.join()
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
) -> Iterator[pa.RecordBatch]:
    types = {column.name: column.arrow for column in columns}
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
        "Compare the contract in etl_assets/tables/ with the source column's values.",
    )


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
        self._server = connection.pgconn
        self._poll = select.poll()
        self._poll.register(self._server.socket, select.POLLIN)
        self._sink = sink

    def run(self) -> None:
        try:
            with os.fdopen(self._sink, "wb", buffering=0) as sink, suppress(BrokenPipeError):
                self._server.send_query(self._statement)
                self._expect(ExecStatus.COPY_OUT)
                self._pump(sink)
            # Nobody may be reading any more; the server's side is ended all the same.
            for _ in self._rows():
                pass
            self._expect(ExecStatus.COMMAND_OK)
        except psycopg.Error as error:
            self.error = error
        finally:
            with suppress(psycopg.Error):
                self._drain()

    def _drain(self) -> None:
        while True:
            while self._server.is_busy():
                self._await_input()
            if self._server.get_result() is None:
                return

    def _pump(self, sink: IO[bytes]) -> None:
        pending = bytearray()
        for row in self._rows():  # gathered, or each would be a system call
            pending += row
            if len(pending) >= _WRITE_BYTES:
                _write_all(sink, pending)
                pending.clear()
        _write_all(sink, pending)

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
            self._poll.poll(10)
        self._poll.poll()
        self._server.consume_input()


def _write_all(sink: IO[bytes], data: bytearray) -> None:
    view = memoryview(data)
    while view:
        written = sink.write(view)
        view = view[written:]
    view.release()


def _widen(pipe: int) -> None:
    """A pipe of 1 MiB where the system allows it (Linux); elsewhere it works as it is."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
