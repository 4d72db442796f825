"""The folder of a step of a run: made, held against sweeping, and removed afterwards."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etl_assets.spool.disk import disk_errors


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
