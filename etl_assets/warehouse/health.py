"""How the warehouse of the settings is, for `etl-assets doctor`: nothing is written to it.

A DuckDB file is looked at from outside: to open it would take the turn of a load.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl_assets.config import Settings, shown_url
from etl_assets.core.errors import EtlError
from etl_assets.core.findings import Finding, Level
from etl_assets.core.wording import count_of
from etl_assets.warehouse.urls import duckdb_file, warehouse_url

if TYPE_CHECKING:
    from etl_assets.warehouse.base import Warehouse

GIGABYTE = 1_000_000_000
LEAST_ROOM = 2 * GIGABYTE


def shown_warehouse(settings: Settings) -> str:
    """The warehouse as messages name it, without user and password."""
    return f"warehouse {shown_url(warehouse_url(settings))}"


def warehouse_findings(
    settings: Settings, warehouse: "Warehouse | None", layers: Sequence[str]
) -> tuple[list[Finding], timedelta | None]:
    """What is found, and how far the warehouse's clock is ahead of this machine's, None where it
    has none of its own.

    `warehouse` is None for a DuckDB file. `layers` are the schemas or datasets of the tables.
    """
    where = shown_warehouse(settings)
    try:
        if warehouse is None:
            return list(_of_file(where, _file_of(settings))), timedelta()
        return warehouse.health(where, layers)
    except EtlError as error:
        return [unreachable(where, error)], None


def _file_of(settings: Settings) -> Path:
    """The DuckDB file that is written to: an environment has one of its own."""
    path = duckdb_file(warehouse_url(settings))
    if settings.environment is None:
        return path
    from etl_assets.warehouse.duckdb.environments import file_of

    return file_of(path, settings.environment)


def unreachable(where: str, error: EtlError) -> Finding:
    """The finding of a system that cannot be asked."""
    cost = "Nothing else is known of it, and no load can use it."
    return Finding(where, "connection", error.what.rstrip("."), Level.ERROR, cost, error.next_step)


def room_finding(where: str, folder: Path, least: int, cost: str) -> Finding:
    """Whether the disk of a folder, or of the first one above it that is there, has room enough."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    found = f"{shown_bytes(free)} free on the disk of {folder}"
    if free >= least:
        return Finding(where, "disk", found)
    step = f"Free some space there, until {shown_bytes(least)} are free, or name a larger disk."
    return Finding(where, "disk", found, Level.WARNING, cost, step)


def rights_finding(where: str, paths: Iterable[Path]) -> Finding:
    """Whether this user may read and write these files and folders, as far as they are there."""
    bad = [str(path) for path in paths if path.exists() and not os.access(path, os.R_OK | os.W_OK)]
    if not bad:
        return Finding(where, "permissions", "this user may read and write it")
    return Finding(
        where,
        "permissions",
        f"this user may not read and write {', '.join(bad)}",
        Level.ERROR,
        "What is loaded cannot be kept there.",
        f"Run: sudo chown {os.getuid()} {' '.join(bad)}"
        if os.getuid()
        else "Root may not either, as on a disk that is mounted read-only: name another folder.",
    )


def shown_bytes(number: int) -> str:
    """`1.5 GB`."""
    if number < GIGABYTE:
        return f"{number / 1_000_000:,.1f} MB"
    return f"{number / GIGABYTE:,.1f} GB"


def _of_file(where: str, path: Path) -> Iterator[Finding]:
    folder = next(one for one in (path.parent, *path.parents) if one.exists())
    yield rights_finding(where, [path, folder])
    size = path.stat().st_size if path.exists() else 0
    size_shown = shown_bytes(size) if size else "not there yet: the first publication makes it"
    yield Finding(where, "file", size_shown) if _is_duckdb(path) else _damaged(where, path)
    # A checkpoint, and the sorting of a large table, want as much again.
    cost = "A publication that finds no room is given up; what was published stays."
    yield room_finding(where, path.parent, max(size, LEAST_ROOM), cost)
    # The others of these files are those of the queue itself: see `duckdb/ticket_queue.py`.
    waiting = sum(1 for one in Path(f"{path}.queue").glob("*") if one.name.isdecimal())
    yield Finding(where, "turns", f"{count_of(waiting, 'process', 'processes')} waiting for it")


def _is_duckdb(path: Path) -> bool:
    """Whether the file begins as DuckDB's do, or is not there or empty; it is not opened."""
    try:
        with path.open("rb") as file:
            begin = file.read(12)
    except OSError:  # which the rights have told
        return True
    return not begin or begin[8:] == b"DUCK"


def _damaged(where: str, path: Path) -> Finding:
    return Finding(
        where,
        "file",
        f"{path} is damaged, or is no DuckDB file",
        Level.ERROR,
        "Nothing can be read from it or published to it.",
        "Put a copy from a backup in its place, or name another file in WAREHOUSE_URL.",
    )
