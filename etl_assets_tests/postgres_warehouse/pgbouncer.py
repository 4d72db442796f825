"""A real PgBouncer in transaction mode before the tests' server; Debian's package `pgbouncer`."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from etl_assets.demo.os_account import let_in, server_account
from etl_assets.demo.server import EmbeddedPostgres

PROGRAM = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
SERVER_CONNECTIONS = 3

_SETTINGS = """
[databases]
* = host={socket_dir} port=5432 user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
server_idle_timeout = 2
server_check_delay = 0
admin_users = postgres
"""


@contextmanager
def pgbouncer(server: EmbeddedPostgres, folder: Path) -> Iterator[int]:
    """The port of a PgBouncer on 127.0.0.1, with three connections to each database."""
    assert PROGRAM is not None
    port = _free_port()
    account = server_account(server.data_dir)  # only the server's own may enter its socket's folder
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        _SETTINGS.format(socket_dir=server.socket_dir, port=port, connections=SERVER_CONNECTIONS)
    )
    settings.chmod(0o644)
    let_in(account, folder)
    with (folder / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, str(settings)], stdout=log, stderr=log, cwd="/", **account.run_options()
        )
        try:
            _await(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"pgbouncer ended with {process.wait(0.05)}")
    raise AssertionError("pgbouncer does not answer")


def pool_modes(port: int) -> set[str]:
    """What PgBouncer itself says of the mode of its databases' pools."""
    admin = f"host=127.0.0.1 port={port} user=postgres dbname=pgbouncer sslmode=disable"
    with psycopg.connect(admin, autocommit=True) as connection:
        rows = psycopg.ClientCursor(connection).execute("SHOW POOLS")
        assert rows.description is not None
        mode = [column.name for column in rows.description].index("pool_mode")
        return {row[mode] for row in rows.fetchall() if row[0] != "pgbouncer"}
