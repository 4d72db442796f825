"""Several connections read one table in one snapshot (C12, C13): as one would, whatever happens.

Which tables are cut into slices is `test_source_slices.py`.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl_assets.core.partitions import WHOLE
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.postgres import copy
from etl_assets.sources.postgres import parallel, reader, slices
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets_tests.hazards.in_slices import (
    PLAIN,
    ROWS,
    Loads,
    Seen,
    fill,
    frames,
    sessions,
)
from etl_assets_tests.missing import lacking
from etl_assets_tests.postgres_warehouse.pgbouncer import PROGRAM, pgbouncer
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import (
    reader_of,
    run,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_c13_what_others_write_meanwhile_is_not_seen_by_any_connection(
    postgres: Any, seen: Seen, data: st.DataObject
) -> None:
    name = f"meanwhile_{time.monotonic_ns()}"
    postgres.ensure_database(name)
    url = postgres.url(name)
    fill(url)
    writes = [
        "UPDATE things SET v = v || 'x'",
        "UPDATE things SET id = -id",
        "DELETE FROM things WHERE id % 2 = 0",
        "INSERT INTO things SELECT n, '2024-05-17Z', 'new' FROM generate_series(50000, 54000) n "
        "ON CONFLICT DO NOTHING",
        "VACUUM things",
        "VACUUM (FREEZE) things",
        "ANALYZE things",
    ]
    chosen = data.draw(st.lists(st.sampled_from(writes), min_size=1, max_size=6))
    workers = data.draw(st.integers(2, 4))
    before = pl.concat(frames(url, PLAIN, 1))
    with reader_of(url) as plain:
        several = PostgresReader(plain._engine, workers=workers)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            run(url, chosen[0])
            read.evidence()
            found = []
            for frame in read.batches():
                found.append(frame)
                if len(found) - 1 < len(chosen[1:]):
                    run(url, chosen[len(found)])
    assert_frame_equal(pl.concat(found), before, check_row_order=False)


def test_c9_who_waits_to_rewrite_the_table_keeps_nobody_from_reading_it(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He waits for the first connection, and the locks of further ones wait behind him."""
    monkeypatch.setattr(parallel, "_LOCK_TIMEOUT", "100ms")
    fill(database_url)
    with reader_of(database_url) as plain:
        several = PostgresReader(plain._engine, workers=3)
        with several.snapshot(PLAIN) as snapshot:
            thread = threading.Thread(target=run, args=(database_url, "VACUUM FULL things"))
            thread.start()
            waiting = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass"
            )
            while run(database_url, waiting) != [(1,)]:
                time.sleep(0.01)
            read = snapshot.day(WHOLE)
            read.evidence()
            rows = sum(frame.height for frame in read.batches())
            assert thread.is_alive()
    thread.join(30)
    assert (rows, seen.connections) == (ROWS, [1])


def test_connections_that_cannot_be_had_are_done_without(database_url: str, seen: Seen) -> None:
    fill(database_url)
    run(
        database_url,
        "DROP ROLE IF EXISTS lonely",
        "CREATE ROLE lonely LOGIN CONNECTION LIMIT 2",
        "GRANT SELECT ON things TO lonely",
    )
    url = database_url.replace("postgres:@", "lonely:@", 1)
    assert url != database_url
    assert sum(f.height for f in frames(url, PLAIN, 4)) == ROWS
    assert seen.connections == [2]


@pytest.mark.parametrize("victim", ["the first", "another"])
def test_c14_a_backend_that_is_killed_ends_all_and_the_load_begins_again(
    database_url: str, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    fill(database_url)
    real, killed = copy.copy_frames, list[int]()

    def dying(
        connection: psycopg.Connection[Any], *given: Any, **more: Any
    ) -> Iterator[pl.DataFrame]:
        pid = connection.info.backend_pid
        if not killed and (pid == seen.first) is (victim == "the first"):
            killed.append(pid)
            run(database_url, f"SELECT pg_terminate_backend({pid})")
        yield from real(connection, *given, **more)

    monkeypatch.setattr(parallel, "copy_frames", dying)
    loaded = Loads(database_url, tmp_path).load(2)
    assert (loaded.rows, loaded.is_good, len(killed)) == (ROWS, True, 1)
    assert len(seen.connections) == 2


def test_who_stops_early_leaves_no_thread_and_no_statement(database_url: str, seen: Seen) -> None:
    fill(database_url, 40_000)
    with reader_of(database_url) as plain:
        several = PostgresReader(plain._engine, workers=3)
        for _ in range(3):
            with several.snapshot(PLAIN) as snapshot:
                read = snapshot.day(WHOLE)
                read.evidence()
                batches = read.batches()
                next(batches)
                batches.close()
                names = {thread.name for thread in threading.enumerate()}
                assert not names & {"slice-reader", "copy-pump"}
                assert snapshot.connection.execute("SELECT 1").fetchone() == (1,)
            assert sessions(database_url) == []


def test_a_reader_that_is_waited_for_holds_no_more_than_is_allowed(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WAITING_BYTES", 200_000)
    fill(database_url, 100_000)
    most, real = [0], parallel._Shared.put

    def put(shared: Any, number: int, frame: pl.DataFrame) -> bool:
        done = real(shared, number, frame)
        most[0] = max(most[0], shared._bytes)
        return done

    monkeypatch.setattr(parallel._Shared, "put", put)
    rows = 0
    with reader_of(database_url) as plain:
        several = PostgresReader(plain._engine, workers=4)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            read.evidence()
            for frame in read.batches():
                rows += frame.height
                time.sleep(0.01)
                largest = frame.estimated_size()
    assert rows == 100_000
    assert 0 < most[0] <= 200_000 + 5 * 4 * largest


def test_who_waits_for_a_pooler_keeps_nobody_waiting(
    postgres: EmbeddedPostgres, database_url: str, cut_small: None, tmp_path: Path
) -> None:
    """PgBouncer has three connections to the server, and lets the fourth wait for two minutes."""
    if PROGRAM is None:
        lacking("PgBouncer is not installed", "apt-get install pgbouncer")
    fill(database_url, 100_000)
    with pgbouncer(postgres, tmp_path) as port:
        name = database_url.split("/")[3].split("?")[0]
        url = f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable"
        began = time.monotonic()
        rows = pl.concat(frames(url, PLAIN, 8))
        took = time.monotonic() - began
    assert rows["id"].n_unique() == rows.height == 100_000
    assert took < 60


def read_slowly(url: str, signs: Path) -> None:
    """In a child: takes a frame, says so, and then waits for an interrupt between frames."""
    reader.LEAST_ROWS, slices.LEAST_BYTES, slices.SLICE_BYTES = 1, 0, 16 << 10
    slices._MOST_COST = 30
    with reader_of(url) as plain:
        several = PostgresReader(plain._engine, workers=3)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            read.evidence()
            for _ in read.batches():
                (signs / "reads").touch()
                time.sleep(0.05)


def test_an_interrupt_ends_every_statement(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 100_000)
    process = start(read_slowly, database_url, tmp_path)
    while not (tmp_path / "reads").exists():
        assert process.exitcode is None
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert ended(process, 30) == 1, "KeyboardInterrupt"
    gone = time.monotonic() + 20
    while sessions(database_url):
        assert time.monotonic() < gone
        time.sleep(0.05)
