"""Turns at a file that only one process may open: a lock beside it, with the holder's name in it.

DuckDB serves one process at a time, even for reading (L4). Runs, the code server and a terminal
take turns: whoever waits, waits a bounded time and is told whom for.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from etl_assets.core.errors import ConfigError, WarehouseBusy


@contextmanager
def turn(path: Path, doing: str, wait_seconds: float) -> Iterator[None]:
    """Hold the file's lock; raises WarehouseBusy, naming the holder, after `wait_seconds`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder of the warehouse file, {path.parent}, cannot be made ({error.strerror}).",
            "Name another file in WAREHOUSE_URL: duckdb:///data/w.duckdb is /data/w.duckdb.",
        ) from None
    lock = FileLock(f"{path}.lock", timeout=wait_seconds, thread_local=False)
    note = Path(f"{path}.lock.holder")
    try:
        with lock.acquire(poll_interval=0.01):
            holder = {"pid": os.getpid(), "doing": doing, "since": datetime.now(UTC).isoformat()}
            note.write_text(json.dumps(holder), encoding="utf-8")
            yield
    except Timeout:
        raise busy(path, _holder(note), wait_seconds) from None


def busy(path: Path, holder: str, wait_seconds: float) -> WarehouseBusy:
    """The error of a wait that was too long."""
    return WarehouseBusy(
        f"The warehouse file {path.name} is held by {holder}; waited {wait_seconds:.0f} s.",
        "Let it finish or stop it, then run this again; ETL_WAREHOUSE_WAIT_SECONDS sets the wait.",
    )


def _holder(note: Path) -> str:
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return f"process {told['pid']} ({told['doing']}, since {told['since'][:19]} UTC)"
    except (OSError, ValueError, KeyError):
        return "another process"
