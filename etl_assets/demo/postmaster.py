"""Whether the embedded server of a data folder runs: its postmaster.pid and the process list.

Starting and stopping it is in `server.py`.
"""

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

WAIT_SECONDS = 60


def pid_file(data_dir: Path) -> list[str]:
    """Return the lines of postmaster.pid (pid, folder, start, port, socket folder, …) or []."""
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def postmaster(data_dir: Path) -> int | None:
    """Return the id of the server's main process, None if the one in postmaster.pid is not it."""
    import psutil  # comes with the wheel, so only when it is used

    lines = pid_file(data_dir)
    try:
        process = psutil.Process(int(lines[0]))
        arguments = process.cmdline()  # empty for a zombie, another program's for a recycled id
    except (IndexError, ValueError, psutil.Error):
        return None
    return process.pid if _is_main(arguments, data_dir) else None


def clear_remains(data_dir: Path, socket_dir: Path) -> None:
    """Remove what a killed server left, pid file and socket, once all its processes have gone.

    A main process without its pid file is told to stop, the others are waited for. Raises
    RuntimeError if they do not go within a minute. Call it only when `postmaster` finds no server.
    """
    # PostgreSQL itself trusts any living process of that id, also a zombie, and would not start.
    # But without the file nothing keeps it from writing beside orphans of the old server: we wait.
    deadline = time.monotonic() + WAIT_SECONDS
    while running := _processes_of(data_dir):
        if time.monotonic() > deadline:
            ids = ", ".join(str(process.pid) for process in running)
            raise RuntimeError(
                f"Processes of an earlier PostgreSQL still work in {data_dir}: {ids}. "
                "Stop them, then start it again."
            )
        time.sleep(0.05)
    for path in [data_dir / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")]:
        path.unlink(missing_ok=True)


def _processes_of(data_dir: Path) -> "list[psutil.Process]":
    """The living processes of any server on this folder; its main one is told to stop."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has just gone, is a zombie, or another user's
            # A process that is ending has no arguments any more, but may still have files open.
            arguments = process.cmdline() or [process.name()]
            if "postgres" in arguments[0] and _works_in(process, data_dir):
                found.append(process)
                if _is_main(arguments, data_dir):
                    # Without its pid file it would stop within a minute by itself; this is sooner.
                    process.send_signal(signal.SIGINT)
    return found


def _is_main(arguments: Sequence[str], data_dir: Path) -> bool:
    return bool(arguments) and "postgres" in arguments[0] and str(data_dir) in arguments


def _works_in(process: "psutil.Process", data_dir: Path) -> bool:
    """Whether the folder, by whatever path, is its working directory, as of all of a server."""
    link = Path(f"/proc/{process.pid}/cwd")
    if link.parent.exists():
        return link.samefile(data_dir)
    return bool(process.cwd() == str(data_dir))
