"""A PostgreSQL as Debian packages it, whose databases sort text by ICU's rules for English.

The embedded server has no ICU: there, text sorts by its bytes as in the C collation. This one needs
Debian's package `postgresql`; no cluster of the system is used or started.
"""

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

from etl_assets.demo.os_account import Account, let_in, server_account
from etl_assets.demo.socket_folder import PORT, remove_socket_folder, socket_folder

INSTALL = "apt-get install postgresql"
_WITHIN_SECONDS = "120"


class NoDebianPostgres(Exception):
    """Debian's PostgreSQL is not installed; the message says so."""


def start_debian_postgres(folder: Path) -> str:
    """The URL, as superuser, of a new server in `folder`; it listens on a unix socket only.

    Raises NoDebianPostgres. End it with `stop_debian_postgres(folder)`.
    """
    server = programs()
    data = folder.resolve() / "data"
    data.mkdir(parents=True)
    account = server_account(data)
    let_in(account, data.parent)
    account.own(data)
    icu = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8"]
    _run(account, server / "initdb", "-D", str(data), "-U", "postgres", "--auth=trust", *icu)
    socket = socket_folder(data, account)
    options = f"-p {PORT} -k '{socket}' -c listen_addresses='' -c timezone=UTC -c fsync=off"
    options += " -c full_page_writes=off -c autovacuum=off"
    log = ["-l", str(data / "server.log")]
    _run(account, server / "pg_ctl", *_at(data), *log, "-o", options, "start")
    return f"postgresql://postgres:@/postgres?host={quote(socket, safe='/')}&port={PORT}"


def stop_debian_postgres(folder: Path) -> None:
    """Stop the server of `folder` by the process id that its data folder names, and no other."""
    data = folder.resolve() / "data"
    account = server_account(data)
    if (data / "postmaster.pid").exists():
        _run(account, programs() / "pg_ctl", *_at(data), "-m", "immediate", "stop")
    remove_socket_folder(Path(socket_folder(data, account)))


def _at(data: Path) -> list[str]:
    return ["-D", str(data), "-w", "-t", _WITHIN_SECONDS]


def programs() -> Path:
    """The folder of its programs, the newest version's; raises NoDebianPostgres."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    versions = sorted(found, key=lambda path: int(path.parts[-3]))
    if not versions:
        raise NoDebianPostgres("Debian's PostgreSQL is not installed")
    return versions[-1].parent


def _run(account: Account, program: Path, *arguments: str) -> None:
    done = subprocess.run(
        [str(program), *arguments],
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server would keep a pipe open
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **account.run_options(),
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} {arguments[-1]} failed:\n{done.stderr}")
