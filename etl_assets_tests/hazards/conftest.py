"""A primary and a standby that follows it by streaming; of their own for each module."""

from collections.abc import Iterator

import pytest

from etl_assets.demo.os_account import let_in, server_account
from etl_assets.demo.server import EmbeddedPostgres, _run, start_postgres
from etl_assets.demo.socket_folder import PORT
from etl_assets_tests.source_tables import run


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server on which nobody commits but the test."""
    server = start_postgres(tmp_path_factory.mktemp("primary") / "postgres")
    run(server.url("postgres"), "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
    yield server
    server.stop(immediately=True)


@pytest.fixture(scope="module")
def standby(
    primary: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    folder = tmp_path_factory.mktemp("standby") / "postgres"
    account = server_account(folder)
    if account.uid is not None:
        let_in(account, folder.parent)
    folder.mkdir()
    account.own(folder)
    where = ["-h", primary.socket_dir, "-p", str(PORT), "-U", "postgres", "-D", str(folder)]
    _run(account, "pg_basebackup", *where, "-R", "-X", "stream", "-c", "fast", "--no-sync")
    server = start_postgres(folder)
    yield server
    server.stop(immediately=True)
