"""The operating system's account that runs the embedded PostgreSQL when we are root.

PostgreSQL refuses to run as root, as which containers and CI often run us. Starting and stopping
the server is in `server.py`.
"""

import errno
import logging
import os
import pwd
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

# The wheel's own name for it, so that a folder made by its `get_server` fits as well.
ACCOUNT = "pgserver"

# Layout and tags of the attribute in which Linux keeps an access list: acl(5) and the kernel's
# include/uapi/linux/posix_acl_xattr.h.
_ACL_ATTRIBUTE = "system.posix_acl_access"
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_TRAVERSE = 1


@dataclass(frozen=True)
class Account:
    """Who runs the server: numeric user and group, or both None for the one we are."""

    uid: int | None
    gid: int | None

    def run_options(self) -> dict[str, Any]:
        """Return the arguments that make `subprocess.run` drop to this account, groups included."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, folder: Path) -> None:
        """Give `folder` to this account, closed to everybody else (mode 0700)."""
        folder.chmod(0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def server_account(data_dir: Path) -> Account:
    """Return who may run a server on `data_dir`: ourselves, unless we are root.

    As root the folder's owner decides, so that a folder stays usable; for a new folder it is
    `pgserver`, created when missing, or `nobody` where accounts cannot be created.
    """
    if os.geteuid() != 0:
        return Account(None, None)
    if (data_dir / "PG_VERSION").exists():
        owner = data_dir.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    entry = _lookup(ACCOUNT) or _create() or pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def let_in(account: Account, folder: Path) -> None:
    """Make every folder down to `folder` passable for `account`; do nothing where it already is.

    Only the right to pass through is given, and only to this account (an access list entry), where
    the wheel would open all parents, /root too, for everybody to list. A file system without access
    lists gets `o+x`, with a warning.
    """
    if account.uid is None or _can_enter(account, folder):
        return
    for part in reversed((folder, *folder.parents)):
        if not _can_enter(account, part):
            _let_pass(account.uid, part)


def make_readable(programs: Path) -> None:
    """Make an installation below `programs` readable for all (root's umask may have been 077)."""
    if (
        programs.stat().st_mode & 0o005 == 0o005
        and (programs / "bin" / "postgres").stat().st_mode & 0o001
    ):
        return
    for path in (programs, *programs.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _lookup(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd:
        command = [
            useradd,
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/bin/false",
            ACCOUNT,
        ]
        # A failure is no error: another process may just have created it, or /etc is read-only.
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - a fixed command
    return _lookup(ACCOUNT)


def _can_enter(account: Account, folder: Path) -> bool:
    # Asked of the kernel, because modes, access lists and mount options all have a say in it.
    command = ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]
    options = account.run_options()
    done = subprocess.run(command, cwd="/", check=False, capture_output=True, **options)  # noqa: S603
    return done.returncode == 0


def _let_pass(uid: int, folder: Path) -> None:
    if sys.platform == "linux":
        try:
            os.setxattr(folder, _ACL_ATTRIBUTE, _acl_with(uid, folder))
            return
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
    _log.warning("opening %s to everybody for traversal (o+x): it takes no access list", folder)
    folder.chmod(folder.stat().st_mode | 0o001)


def _acl_with(uid: int, folder: Path) -> bytes:
    """Return the folder's access list with the right to pass for `uid` added."""
    entries = _acl_of(folder)
    entries[_USER, uid] = entries.get((_USER, uid), 0) | _TRAVERSE
    # The mask caps what groups and named users get; without one the group's rights stand for it.
    entries[_MASK, _NO_ID] = entries.get((_MASK, _NO_ID), entries[_GROUP, _NO_ID]) | _TRAVERSE
    packed = [
        struct.pack("<HHI", tag, rights, who) for (tag, who), rights in sorted(entries.items())
    ]
    return struct.pack("<I", 2) + b"".join(packed)


def _acl_of(folder: Path) -> dict[tuple[int, int], int]:
    """Return the access list as {(tag, id): rights}, from the mode bits if there is none."""
    try:
        raw = os.getxattr(folder, _ACL_ATTRIBUTE)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = folder.stat().st_mode
        bits = {_OWNER: mode >> 6 & 7, _GROUP: mode >> 3 & 7, _OTHER: mode & 7}
        return {(tag, _NO_ID): rights for tag, rights in bits.items()}
    return {(tag, who): rights for tag, rights, who in struct.iter_unpack("<HHI", raw[4:])}
