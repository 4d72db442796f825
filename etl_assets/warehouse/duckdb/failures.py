"""What DuckDB's errors mean: a file that is held, damaged or cannot be used, or a refusal.

DuckDB's messages quote values after the first line; the first line names the trouble.
"""

import re
from pathlib import Path

import duckdb

from etl_assets.core.errors import ConfigError, EtlError, WarehouseError
from etl_assets.spool import full_disk
from etl_assets.warehouse.duckdb.memory import TooLittleMemory

ENGINE_ERRORS = (duckdb.Error, RuntimeError, MemoryError, UnicodeDecodeError)
"""What a call of DuckDB raises; the last three where a damaged file misleads it."""

_HELD = "Conflicting lock is held in "
_DAMAGE = re.compile(
    "corrupt database|checksum|deserializ|invalidated|Could not read enough bytes", re.IGNORECASE
)
_NO_MEMORY = "failed to pin block"  # also at the commit, as another class
_DAMAGE_CLASSES = (
    duckdb.InternalException,
    duckdb.FatalException,
    duckdb.SerializationException,
)
_NOT_USABLE = re.compile(
    "Permission denied|Read-only file system|Is a directory|Not a directory|No such file|"
    "Operation not permitted|Too many levels|File name too long|read-only",
    re.IGNORECASE,
)


def holder_of(error: BaseException) -> str | None:
    """Who holds the file, without our lock, as DuckDB says it; None if that is not the error."""
    text = str(error)
    start = text.find(_HELD)
    return None if start < 0 else text[start + len(_HELD) :].split(". ")[0]


def opening_failed(error: BaseException, path: Path) -> EtlError:
    """The error of a file that does not open."""
    full = full_disk(error, path.parent)
    if full is not None:
        return full
    if path.is_dir() or _NOT_USABLE.search(_first_line(error)):
        reason = "it is a folder" if path.is_dir() else _first_line(error).rpartition(": ")[2]
        return ConfigError(
            f"The warehouse file {path} cannot be opened: {reason}.",
            f"Give this user the right to read and write it and its folder {path.parent}, or name "
            "another file in WAREHOUSE_URL.",
        )
    return damaged(path, error, "being opened")


def statement_failed(error: BaseException, path: Path, doing: str) -> EtlError:
    """The error of a statement; nothing of its transaction is there afterwards."""
    full = full_disk(error, path.parent)
    if full is not None:
        return full
    first = _first_line(error)
    is_engine = isinstance(error, duckdb.Error) and not isinstance(error, _DAMAGE_CLASSES)
    if not is_engine or _DAMAGE.search(first):
        return damaged(path, error, doing)
    if isinstance(error, duckdb.OutOfMemoryException) or _NO_MEMORY in first:
        return TooLittleMemory(
            f"DuckDB had too little memory while {doing}: {first}.",
            "Nothing was published. It may take four fifths of the machine's memory: load fewer "
            "days at once, or leave the longest column out of the contract.",
        )
    return WarehouseError(
        f"DuckDB refused while {doing}: {first}",
        "Nothing was published. Compare the contract of the table with the table in the file of "
        "WAREHOUSE_URL; if somebody changed it past the platform, change it back.",
    )


def damaged(path: Path, error: BaseException, doing: str) -> WarehouseError:
    """The error of a file whose bytes are not what DuckDB wrote."""
    kind = type(error).__name__
    return WarehouseError(
        f"The warehouse file {path} is damaged, or is no DuckDB file of this version: DuckDB ended "
        f"with {kind} while {doing}. Nothing was published.",
        "Put a copy from a backup in its place. Without one, move the file away and load all days "
        "again: etl-assets backfill.",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
