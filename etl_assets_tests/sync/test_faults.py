"""Trouble in the middle of a sync: it passes, or ends with one message; nothing is lost.

`REFUSED_SECONDS=20` shows how long a source may be away; the suite waits for three.
"""

import os
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from etl_assets.core.errors import DiskFull, SourceUnavailable
from etl_assets.core.table import LayerTable
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets.sources.postgres.reader import PostgresReader, TableSnapshot
from etl_assets_tests.source_tables import reader_of, run
from etl_assets_tests.sync.shelf import CREATE, Shelf, put
from etl_assets_tests.wire.tcp_proxy import TcpProxy

REFUSED_SECONDS = float(os.environ.get("REFUSED_SECONDS", "3"))
ONE_A_SECOND = "'2024-05-17Z'::timestamptz + n * interval '1 second'"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that a test may stop."""
    server = start_postgres(tmp_path / "own")
    yield server
    server.stop(immediately=True)


def impatient(shelf: Shelf, seconds: float = 0.5) -> Shelf:
    return replace(shelf, policy=replace(shelf.policy, patience=timedelta(seconds=seconds)))


@contextmanager
def later(seconds: float, work: object, *arguments: object) -> Iterator[None]:
    timer = threading.Timer(seconds, work, arguments)  # type: ignore[arg-type]
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.mark.thorough
def test_c15_a_sync_sits_a_restart_of_the_server_out_and_gives_up_where_it_takes_too_long(
    shelf: Shelf, own_server: EmbeddedPostgres
) -> None:
    with reader_of(own_server.url("postgres")) as reader:
        shelf = replace(shelf, url=own_server.url("postgres"), reader=reader)
        shelf.sql(*CREATE.format(name="shelf").split(";"))
        put(shelf, 20, stamp=ONE_A_SECOND)
        chunks = shelf.chunks()
        next(chunks)
        own_server.stop()
        hopeless = impatient(shelf)
        with pytest.raises(SourceUnavailable, match=r"could not be reached.*DATABASE_URL runs"):
            hopeless.sync()
        with later(1, start_postgres, own_server.data_dir):
            rest = list(chunks)
        assert sum(chunk.rows for chunk in rest) == 13
        assert shelf.published() == shelf.wanted()


@pytest.mark.thorough
def test_c15_a_source_that_refuses_connections_for_a_while_is_waited_for(
    shelf: Shelf, postgres: EmbeddedPostgres
) -> None:
    put(shelf, 9, stamp=ONE_A_SECOND)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    proxy = TcpProxy(f"{postgres.socket_dir}/.s.PGSQL.5432", port)
    database = shelf.url.split("/")[3].split("?")[0]
    listeners = []

    def serve() -> None:
        listeners.append(socket.create_server(("127.0.0.1", port)))
        proxy.serve(listeners[0])

    with reader_of(proxy.url(database)) as reader:
        refused = replace(shelf, reader=reader)
        began = time.monotonic()
        opening = threading.Timer(REFUSED_SECONDS, serve)
        opening.daemon = True
        opening.start()
        refused = impatient(refused, REFUSED_SECONDS + 30)
        told: list[str] = []
        refused = replace(refused, policy=replace(refused.policy, on_wait=told.append))
        refused.sync()
        assert told, "whoever waits is told of it"
        assert all(re.match(r"raw/shelf waits, and tries again\. .*reached", one) for one in told)
        assert time.monotonic() - began >= REFUSED_SECONDS
    listeners[0].shutdown(socket.SHUT_RDWR)
    listeners[0].close()
    assert shelf.published() == shelf.wanted()


class CutOff(PostgresReader):
    """A reader whose session is ended, by an administrator, in some of its snapshots."""

    def __init__(self, reader: PostgresReader, url: str, *cuts: int) -> None:
        super().__init__(reader._engine)
        self._url, self._cuts, self.snapshots = url, cuts, 0

    @contextmanager
    def snapshot(self, table: LayerTable) -> Iterator[TableSnapshot]:
        self.snapshots += 1
        with super().snapshot(table) as snapshot:
            if self.snapshots in self._cuts:
                pid = snapshot.connection.info.backend_pid
                run(self._url, f"SELECT pg_terminate_backend({pid}, 5000)")
            yield snapshot


def test_c14_a_session_that_is_ended_amid_chunks_is_replaced_and_no_row_is_read_past(
    shelf: Shelf,
) -> None:
    put(shelf, 19, stamp=ONE_A_SECOND)
    reader = CutOff(shelf.reader, shelf.url, 1, 3, 4)
    cut = replace(shelf, reader=reader)
    chunks = cut.sync()
    assert [chunk.rows for chunk in chunks] == [7, 7, 5]
    assert reader.snapshots == 3 + 3
    assert shelf.published() == shelf.wanted()


def test_c14_a_session_that_is_ended_every_time_is_one_error_and_what_was_committed_stays(
    shelf: Shelf,
) -> None:
    put(shelf, 19, stamp=ONE_A_SECOND)
    cut = impatient(replace(shelf, reader=CutOff(shelf.reader, shelf.url, *range(2, 99))))
    with pytest.raises(SourceUnavailable, match=r"57P01|broke off"):
        cut.sync()
    assert len(shelf.published()) == 7
    shelf.sync()
    assert shelf.published() == shelf.wanted()


@pytest.mark.thorough
def test_c15_a_statement_that_takes_too_long_is_tried_again(shelf: Shelf) -> None:
    put(shelf, 9)
    with (
        reader_of(shelf.url, statement_timeout=1) as reader,
        psycopg.connect(shelf.url) as blocker,
    ):
        blocker.execute("LOCK TABLE shelf IN ACCESS EXCLUSIVE MODE")
        timed = replace(shelf, reader=reader)
        with pytest.raises(SourceUnavailable, match=r"57014.*ETL_STATEMENT_TIMEOUT_SECONDS"):
            impatient(timed).sync()
        with later(1, blocker.rollback):
            timed.sync()
    shelf.sync()
    assert shelf.published() == shelf.wanted()


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """As on a full disk: no file can grow beyond the size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_in_the_spool_is_one_error_and_the_next_sync_goes_on(shelf: Shelf) -> None:
    put(shelf, 9, days=1)
    shelf.sync()
    noise = "SELECT string_agg(md5(n::text), '') FROM generate_series(1, 40000) AS n"
    shelf.sql(f"UPDATE shelf SET updated_at = now(), v = id || ({noise}) WHERE id <= 6")
    before = shelf.published(), shelf.warehouse.table_state(shelf.table)
    size = (shelf.folder / "w.duckdb").stat().st_size
    print("SIZE", size)
    with files_at_most(size + 2_000_000), pytest.raises(DiskFull) as full:
        shelf.sync()
    assert re.search(r"No space is left on the disk of .*/[0-9a-f]{32}/.*rows", full.value.what)
    assert "Free some space" in full.value.next_step
    assert (shelf.published(), shelf.warehouse.table_state(shelf.table)) == before
    shelf.sync()
    assert shelf.published() == shelf.wanted()
