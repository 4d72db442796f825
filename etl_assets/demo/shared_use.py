"""The embedded PostgreSQL as processes share it: the first starts it, the last one stops it.

Each process that uses the server holds a shared file lock; whoever leaves and can get the lock for
itself alone was the last. A killed process leaves its lock behind as well, so nobody counts it.
"""

import atexit
import fcntl
import os
from functools import cache
from pathlib import Path

from etl_assets.demo.server import EmbeddedPostgres, start_postgres


@cache
def shared_postgres(data_dir: Path) -> EmbeddedPostgres:
    """The running server of that folder, started if need be, for as long as this process lives."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    users = os.open(f"{data_dir}.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    server = start_postgres(data_dir)
    atexit.register(_leave, users, server, os.getpid())
    return server


def _leave(users: int, server: EmbeddedPostgres, owner: int) -> None:
    if os.getpid() != owner:  # a forked child inherits the hook, not the use
        return
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    server.stop()
    os.close(users)
