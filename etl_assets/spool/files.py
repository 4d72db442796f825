"""The spool: Parquet files of one run on the local disk, between the systems.

Rows of bounded chunks go into files of their own, so that neither writing nor loading them ever
needs a whole day in memory. What is good or bad, published or not, is not decided here.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.spool.disk import disk_errors, unreadable

if TYPE_CHECKING:
    import duckdb

CHUNK_ROWS = 262_144
CHUNK_BYTES = 64 << 20
_WIDE_BYTES = 2_000
_QUERY_MEMORY = "192MB"
_MORE_MEMORY = ("768MB", "3GB")  # where 2,048 rows, which DuckDB holds at a time, need it


@dataclass(frozen=True)
class SpoolMark:
    """Where a spool stood: how many files, what was pending, and the sums."""

    files: int
    pending: Sequence[pl.DataFrame]
    pending_rows: int
    rows: int
    bytes: int


@dataclass
class SpoolFiles:
    """The files of one day of one table, and the sums over them."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    _pending: list[pl.DataFrame] = field(default_factory=list)
    _pending_rows: int = 0
    _pending_bytes: int = 0

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows; they are on the disk once CHUNK_ROWS or CHUNK_BYTES of them have come together,
        or after `close`."""
        if frame.height:
            self._pending.append(frame)
            self._pending_rows += frame.height
            self._pending_bytes += int(frame.estimated_size())
            if self._pending_rows >= CHUNK_ROWS or self._pending_bytes >= CHUNK_BYTES:
                self.close()

    @property
    def has_rows(self) -> bool:
        """Whether any row was written or is pending."""
        return bool(self.files or self._pending_rows)

    def close(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        frame = pl.concat(self._pending, rechunk=False)
        path = self.folder / f"{len(self.files):05d}.parquet"
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(frame, path)
        self.files.append(path)
        self.rows += frame.height
        self.bytes += path.stat().st_size
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0

    def mark(self) -> SpoolMark:
        """Where it stands, for `back_to`."""
        pending = tuple(self._pending)
        return SpoolMark(len(self.files), pending, self._pending_rows, self.rows, self.bytes)

    def back_to(self, mark: SpoolMark) -> None:
        """Forget all rows that came after the mark; what was pending then is pending again."""
        for path in self.files[mark.files :]:
            path.unlink(missing_ok=True)
        del self.files[mark.files :]
        self._pending, self._pending_rows = list(mark.pending), mark.pending_rows
        self._pending_bytes = sum(int(frame.estimated_size()) for frame in self._pending)
        self.rows, self.bytes = mark.rows, mark.bytes

    def content(self, columns: Sequence[str]) -> str:
        """A digest of the rows: equal for the same rows, whatever their order and their files.

        Raises WarehouseError, which quotes no value, for a file that cannot be read.
        """
        if not self.files:
            return "0"
        import duckdb

        for memory in (_QUERY_MEMORY, *_MORE_MEMORY):
            try:
                return self._content(columns, memory)
            except duckdb.OutOfMemoryException:
                continue
            except duckdb.Error:
                break
        raise unreadable(self.folder)

    def _content(self, columns: Sequence[str], most_memory: str) -> str:
        text = ", ".join(f"CAST({_quoted(name)} AS VARCHAR)" for name in columns)
        with self._query_engine(
            most_memory
        ) as memory:  # a NULL is told from text, a value from its neighbour
            (row,) = memory.sql(
                f"SELECT count(*), sum(CAST(md5_number_lower(line) AS HUGEINT)), "  # noqa: S608
                f"sum(CAST(md5_number_upper(line) AS HUGEINT)) "
                f"FROM (SELECT CAST([{text}] AS VARCHAR) AS line FROM read_parquet($files))",
                params={"files": [str(path) for path in self.files]},
            ).fetchall()
        return hashlib.sha256(str(row).encode()).hexdigest()

    @contextmanager
    def _query_engine(
        self, most_memory: str = _QUERY_MEMORY
    ) -> Iterator["duckdb.DuckDBPyConnection"]:
        import duckdb  # a command that makes a folder here and no query does not wait for it

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": most_memory,
            "temp_directory": str(self.folder / "query.tmp"),
            "preserve_insertion_order": False,
        }
        with disk_errors(self.folder), duckdb.connect(config=settings) as memory:
            yield memory


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Arrow's writer, without dictionaries: two thirds of what Polars' own costs.

    Numbers and moments are written as differences, which costs less to write, to compress and to
    read. Nobody reads a part of a file, so nothing is written that would help with that.
    """
    # Arrow does not take lists that are all empty in rows that Polars has cut from others.
    if any(dtype.is_nested() for dtype in frame.dtypes):
        frame.write_parquet(path, compression="snappy", statistics=False)
        return
    import pyarrow as pa  # a command that spools nothing does not wait for it
    import pyarrow.parquet as pq

    pq.write_table(
        frame.to_arrow(compat_level=pl.CompatLevel.newest()),  # texts are not copied
        path,
        compression="snappy",
        use_dictionary=False,
        write_statistics=False,
        column_encoding={
            name: "DELTA_BINARY_PACKED"
            for name, dtype in frame.schema.items()
            if dtype.is_integer() or dtype.is_temporal()
        },
    )
    if frame.estimated_size() > _WIDE_BYTES * frame.height:
        # Arrow keeps what it took for the next time, which may never come.
        pa.default_memory_pool().release_unused()


def together(several: Sequence[SpoolFiles]) -> SpoolFiles:
    """The files of several as those of one, in the folder of the first; all must be closed."""
    return SpoolFiles(
        several[0].folder,
        [path for spooled in several for path in spooled.files],
        sum(spooled.rows for spooled in several),
        sum(spooled.bytes for spooled in several),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
