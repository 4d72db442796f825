"""Whether the embedded server of a data folder runs: its postmaster.pid and the process list.

Starting and stopping it is in `server.py`.
"""

import time
from pathlib import Path

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
    is_ours = bool(arguments) and "postgres" in arguments[0] and str(data_dir) in arguments
    return int(lines[0]) if is_ours else None


def clear_remains(data_dir: Path, socket_dir: Path) -> None:
    """Remove what a killed server left, pid file and socket, once its child processes have gone.

    Raises RuntimeError if they do not go within a minute. Call it only when no server runs.
    """
    remains = [data_dir / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")]
    if not any(path.exists() for path in remains):
        return
    # PostgreSQL itself trusts any living process of that id, also a zombie, and would not start.
    # But without the file nothing keeps it from writing beside orphans of the old server: we wait.
    deadline = time.monotonic() + WAIT_SECONDS
    while _is_worked_in(data_dir):
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes of a killed PostgreSQL still work in {data_dir}")
        time.sleep(0.05)
    for path in remains:
        path.unlink(missing_ok=True)


def _is_worked_in(data_dir: Path) -> bool:
    import psutil

    # Every process of a server has its data folder as working directory.
    running = psutil.process_iter(["name", "cwd"])
    return any(it.info["name"] == "postgres" and it.info["cwd"] == str(data_dir) for it in running)
