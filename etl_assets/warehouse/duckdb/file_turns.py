"""Turns at a file that only one process may open: a lock beside it, with the holder's name in it.

DuckDB serves one process at a time, even for reading (L4). Runs, the code server and a terminal
take turns in the order in which they came. A wait is bounded, and its error names the holder.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from etl_assets.core.errors import ConfigError, WarehouseBusy
from etl_assets.warehouse.duckdb.ticket_queue import TookTooLong, queued


@contextmanager
def turn(path: Path, doing: str, wait_seconds: float) -> Iterator[None]:
    """Hold the file's lock; raises WarehouseBusy, naming the holder, after `wait_seconds`.

    Raises ConfigError, at once, where the folder or the lock cannot be used.
    """
    note = Path(f"{path}.lock.holder")
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as held:
        try:
            _make_folder(path.parent)
            held.enter_context(queued(Path(f"{path}.queue"), deadline))
            # The lock itself is what keeps others out; the queue is the order in which it is taken.
            lock = FileLock(f"{path}.lock", thread_local=False)
            left = max(0.0, deadline - time.monotonic())
            held.enter_context(lock.acquire(timeout=left, poll_interval=0.01))
        except (Timeout, TookTooLong):
            raise busy(path, _holder(note), wait_seconds) from None
        except OSError as error:
            raise unusable(path, error) from None
        with suppress(OSError):  # the note serves messages only
            holder = {"pid": os.getpid(), "doing": doing, "since": datetime.now(UTC).isoformat()}
            note.write_text(json.dumps(holder), encoding="utf-8")
        yield


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder of the warehouse file, {folder}, cannot be made ({error.strerror}).",
            "Name another file in WAREHOUSE_URL: duckdb:////data/w.duckdb is /data/w.duckdb.",
        ) from None


def unusable(path: Path, error: OSError) -> ConfigError:
    """The error of a file or a folder that this user cannot open or write."""
    where = Path(error.filename) if isinstance(error.filename, str) else path.parent
    return ConfigError(
        f"The warehouse file {path} cannot be used: {where} cannot be opened or written "
        f"({error.strerror or type(error).__name__}).",
        f"Give this user the right to write to {path.parent} and to the files in it, or name "
        "another file in WAREHOUSE_URL.",
    )


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
