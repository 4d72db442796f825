"""The spool: Parquet files of one run on the local disk, between the systems.

Rows of bounded chunks go into files of their own, so that neither writing nor loading them ever
needs a whole day in memory. What is good or bad, published or not, is not decided here.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.errors import DiskFull, WarehouseError, no_room
from etl_assets.core.frames import COUNT, DAY

if TYPE_CHECKING:
    import duckdb

CHUNK_ROWS = 262_144
CHUNK_BYTES = 64 << 20
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
            frame.write_parquet(path, compression="snappy", statistics=False)
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

    def duplicates(self, key: Sequence[str], most: int) -> tuple[int, pl.DataFrame]:
        """How many keys occur more than once, and up to `most` of them, as (key…, COUNT).

        Exact in bounded memory: rows in the order of their key, as files have them, are known to
        have none. Else Polars counts what came in one chunk, and for more DuckDB groups the key
        columns and spills what does not fit.
        """
        if self._ascends(key):
            return 0, pl.DataFrame()
        if len(self.files) == 1:
            keys = pl.read_parquet(self.files, columns=list(key), glob=False)
            groups = keys.group_by(key).len(COUNT)
            repeated = groups.filter(pl.col(COUNT) > 1).sort(key)
            return repeated.height, repeated.head(most)
        if not self.files:
            return 0, pl.DataFrame()
        names = ", ".join(map(_quoted, key))
        with self._query_engine() as memory:
            found = memory.sql(
                f"SELECT {names}, count(*) AS {COUNT}, count(*) OVER () AS __total "  # noqa: S608
                "FROM read_parquet($files) GROUP BY ALL HAVING count(*) > 1 "
                "ORDER BY ALL LIMIT $most",
                params={"files": [str(path) for path in self.files], "most": most},
            ).pl()
        return (int(found["__total"][0]), found.drop("__total")) if found.height else (0, found)

    def _ascends(self, key: Sequence[str]) -> bool:
        """Whether each row's key is greater than that of the row before; not if one is null."""
        last: list[pl.DataFrame] = []
        for path in self.files:
            keys = pl.concat([*last, pl.read_parquet(path, columns=list(key), glob=False)])
            if any(dtype.is_nested() for dtype in keys.dtypes):
                return False
            if keys.select(_is_ascending(key)).item() is not True:
                return False
            last = [keys.tail(1)]
        return True

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
        raise _unreadable(self.folder)

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


def together(several: Sequence[SpoolFiles]) -> SpoolFiles:
    """The files of several as those of one, in the folder of the first; all must be closed."""
    return SpoolFiles(
        several[0].folder,
        [path for spooled in several for path in spooled.files],
        sum(spooled.rows for spooled in several),
        sum(spooled.bytes for spooled in several),
    )


def repeated_keys(
    files: Mapping[date, SpoolFiles],
    key: Sequence[str],
    *,
    schema: Mapping[str, pl.DataType],
    among: pl.DataFrame,
    repeated: bool,
) -> pl.DataFrame:
    """Rows of several days' files whose key is `among` those given, or that stand more than once.

    The latter only if `repeated` is asked for. Keys are compared with NULL equal to NULL. The
    columns are DAY (Date: the day whose file holds the row) and those of `schema`, of which
    `key` are some.
    """
    frames = [
        pl.scan_parquet(of_day.files, glob=False).select(pl.lit(day, pl.Date).alias(DAY), *schema)
        for day, of_day in files.items()
        if of_day.files
    ]
    if not frames or not (repeated or among.height):
        return pl.DataFrame(schema={DAY: pl.Date(), **schema})
    rows, names = pl.concat(frames), list(key)
    wanted = among.lazy().select(names)
    if repeated:
        twice = rows.group_by(names).len(COUNT).filter(pl.col(COUNT) > 1).select(names)
        wanted = pl.concat([wanted, twice]).unique()
    found = rows.join(wanted, on=names, how="semi", nulls_equal=True)
    try:
        return found.collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError):
        pass
    raise _unreadable(next(iter(files.values())).folder)


def _unreadable(folder: Path) -> WarehouseError:
    return WarehouseError(
        f"A spool file in {folder} cannot be read; nothing was published.",
        "Run the days again; if that happens twice, check the disk of ETL_HOME.",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def spool_folder(home: Path, run_id: str, step: str) -> Path:
    """Where the files of one step of one run are."""
    return home / "spool" / run_id / step


@contextmanager
def run_spool(home: Path, run_id: str, step: str) -> Iterator[Path]:
    """That folder, gone afterwards whatever happened; what killed runs left behind goes as well."""
    folder = spool_folder(home, run_id, step)
    with disk_errors(home), _in_use(folder.parent):
        _sweep(home / "spool")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another step of the run may still be there
                folder.parent.rmdir()


@contextmanager
def _in_use(run_folder: Path) -> Iterator[None]:
    """Hold a shared lock on the run's folder; the system drops a killed process's lock."""
    run_folder.parent.mkdir(parents=True, exist_ok=True)
    path = run_folder.with_name(f"{run_folder.name}.lock")
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
        if path.exists() and path.stat().st_ino == os.fstat(handle).st_ino:
            break
        os.close(handle)  # swept away between the two calls
    try:
        yield
    finally:
        with suppress(OSError):  # another step of the run may still hold it
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        os.close(handle)


def _sweep(spool: Path) -> None:
    """Remove the folders of runs that nobody holds."""
    for path in spool.glob("*.lock"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink()
            finally:
                os.close(handle)


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn a full disk, however it is reported, into DiskFull."""
    try:
        yield
    except _kinds_of_errors() as error:
        full = full_disk(error, where)
        if full is None:
            raise
        raise full from None


def _kinds_of_errors() -> tuple[type[Exception], ...]:
    """What may say that a disk is full; where nobody has imported DuckDB, it says nothing."""
    duckdb = sys.modules.get("duckdb")
    own = (OSError, pl.exceptions.PolarsError)
    return (*own, duckdb.Error) if duckdb else own


def full_disk(error: BaseException, where: Path) -> DiskFull | None:
    """DiskFull if that is what `error` says, else None."""
    full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    words = ("no space left", "disk quota", "file too large", "os error 28")
    if full or any(word in str(error).lower() for word in words):
        return no_room(str(where))
    return None


def _is_ascending(key: Sequence[str]) -> pl.Expr:
    greater = pl.lit(value=False)
    for name in reversed(key):
        value, before = pl.col(name), pl.col(name).shift(1)
        greater = (value > before) | ((value == before) & greater)
    return greater.slice(1).all(ignore_nulls=False)
