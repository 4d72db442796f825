"""What a disk may have to say: that it is full, or that a spool file cannot be read."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from etl_assets.core.errors import DiskFull, WarehouseError, no_room


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


def unreadable(folder: Path) -> WarehouseError:
    """The error for a spool file that is damaged; it quotes no value."""
    return WarehouseError(
        f"A spool file in {folder} cannot be read; nothing was published.",
        "Run the days again; if that happens twice, check the disk of ETL_HOME.",
    )
