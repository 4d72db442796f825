"""Where the embedded server puts its unix socket, whose path may have about 100 bytes only."""

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from etl_assets.demo.os_account import Account, let_in

PORT = 5432  # only names the socket's file; given always, because PGPORT would change both sides
_PREFIX = "etl-pg-"


def socket_folder(data_dir: Path, account: Account) -> str:
    """Return the folder for the socket: `data_dir`, or where that will not do a short one.

    Both are open to the server's account alone, which is what makes a server without passwords
    safe. Raises RuntimeError if somebody else has taken the short folder's name.
    """
    socket = f"{data_dir}/.s.PGSQL.{PORT}"
    # 103 bytes is macOS's limit, Linux has 107; PostgreSQL splits the setting at commas.
    if len(os.fsencode(socket)) <= 103 and re.fullmatch(r"[\w./+@=-]+", socket, re.ASCII):
        return str(data_dir)
    # The inode tells a folder from a deleted one of that name, whose server may still be ending.
    identity = f"{data_dir}:{data_dir.stat().st_ino}"
    name = f"{_PREFIX}{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    # A fixed name in /tmp is safe here, because its owner and its mode are checked below.
    temporary = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108
    folder = Path(temporary, name)
    owner = os.geteuid() if account.uid is None else account.uid
    try:
        folder.mkdir(mode=0o700)
        account.own(folder)
    except FileExistsError as error:
        # Anybody can write in /tmp: what was there before must be ours and closed to others.
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise RuntimeError(f"{folder} belongs to somebody else: remove it") from error
    let_in(account, folder.parent)
    return str(folder)


def remove_socket_folder(folder: Path) -> None:
    """Remove a short folder that `socket_folder` made, if the server has left it empty."""
    if folder.name.startswith(_PREFIX):
        with suppress(OSError):
            folder.rmdir()
