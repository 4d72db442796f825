"""A primary and its standby, of their own for each module; and small tables cut into slices."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from etl_assets.demo.os_account import let_in, server_account
from etl_assets.demo.server import EmbeddedPostgres, _run, start_postgres
from etl_assets.demo.socket_folder import PORT
from etl_assets.sources.postgres import parallel, reader, slices
from etl_assets_tests.hazards.in_slices import Seen
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


@pytest.fixture
def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are cut as large ones are."""
    monkeypatch.setattr(reader, "LEAST_ROWS", 1)
    monkeypatch.setattr(slices, "LEAST_BYTES", 0)
    monkeypatch.setattr(slices, "SLICE_BYTES", 16 << 10)
    # What a table of a few pages costs is mostly to begin.
    monkeypatch.setattr(slices, "_MOST_COST", 30)


@pytest.fixture
def seen(cut_small: None, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What was done; the rows are read when all connections have joined that will."""
    noted, real, following = Seen(), reader.read_slices, parallel._Shared.next

    def read(
        first: Any, joining: Any, cut: Any, columns: Any, **more: Any
    ) -> Iterator[pl.DataFrame]:
        noted.slices.append(len(cut))
        noted.connections.append(1)
        noted.expected = len(joining)
        noted.first = first.info.backend_pid
        yield from real(first, joining, cut, columns, **more)

    def when_all_are_there(shared: Any) -> int | None:
        with shared._changed:
            answered = lambda: shared.joined + shared.absent == noted.expected  # noqa: E731
            assert shared._changed.wait_for(lambda: answered() or shared._stopped, 60)
            noted.connections[-1] = 1 + shared.joined
        return following(shared)

    monkeypatch.setattr(reader, "read_slices", read)
    monkeypatch.setattr(parallel._Shared, "next", when_all_are_there)
    return noted
