"""Several connections read a table of a standby in one snapshot (C13): a real one, by streaming."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from etl_assets.core.partitions import WHOLE
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.postgres import copy
from etl_assets.sources.postgres import parallel
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets_tests.hazards.in_slices import (
    PLAIN,
    ROWS,
    Loads,
    Seen,
    fill,
    frames,
)
from etl_assets_tests.source_tables import reader_of, run


def until_replayed(primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
    """Wait until the standby shows all that was done on the primary."""
    # What a vacuum removes is not flushed at its end, but with the next commit.
    flush = "SELECT pg_logical_emit_message(true, 'tests', 'until here')"
    ((written,),) = run(primary.url("postgres"), flush, "SELECT pg_current_wal_flush_lsn()::text")
    deadline = time.monotonic() + 30
    asked = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
    while run(standby.url("postgres"), asked) != [(True,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def database(primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> Iterator[str]:
    """The name of a database with `things`, which the standby has as well."""
    name = f"things_{time.monotonic_ns()}"
    run(primary.url("postgres"), f"CREATE DATABASE {name}")
    fill(primary.url(name))
    until_replayed(primary, standby)
    yield name
    run(primary.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.thorough
def test_c13_several_connections_read_a_standby_as_one_does(
    standby: EmbeddedPostgres, database: str, seen: Seen
) -> None:
    url = standby.url(database)
    alone = pl.concat(frames(url, PLAIN, 1))
    assert alone.height == ROWS
    for workers in (2, 3):
        shared = pl.concat(frames(url, PLAIN, workers))
        assert_frame_equal(shared, alone, check_row_order=False)
    assert seen.connections == [2, 3]


def test_c13_what_a_standby_replays_meanwhile_is_not_seen_by_any_connection(
    primary: EmbeddedPostgres, standby: EmbeddedPostgres, database: str, seen: Seen
) -> None:
    before = pl.concat(frames(standby.url(database), PLAIN, 1))
    # What came after them would tidy up the old rows, which the standby may not while it is read.
    writes = iter(
        [
            "INSERT INTO things SELECT n, '2024-05-17Z', 'new' FROM generate_series(9000, 9900) n",
            "UPDATE things SET v = v || 'x' WHERE id % 2 = 0",
        ]
    )
    found = []
    with reader_of(standby.url(database)) as plain:
        several = PostgresReader(plain._engine, workers=3)
        with several.snapshot(PLAIN) as snapshot:
            read = snapshot.day(WHOLE)
            read.evidence()
            for frame in read.batches():
                found.append(frame)
                if (statement := next(writes, None)) is not None:
                    run(primary.url(database), statement)
                    until_replayed(primary, standby)
    assert next(writes, None) is None, "all of it was written while it was read"
    assert seen.connections == [3]
    assert_frame_equal(pl.concat(found), before, check_row_order=False)
    after = pl.concat(frames(standby.url(database), PLAIN, 3))
    assert after.height == run(primary.url(database), "SELECT count(*) FROM things")[0][0] != ROWS


@pytest.mark.parametrize("victim", ["the first", "another"])
def test_c14_a_read_that_the_standby_cancels_for_a_vacuum_begins_again(
    primary: EmbeddedPostgres,
    standby: EmbeddedPostgres,
    database: str,
    tmp_path: Path,
    seen: Seen,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
) -> None:
    """Replaying a vacuum ends every statement that may still want the rows that it removes."""
    set_delay(standby, "0")
    real, done = copy.copy_frames, list[str]()

    def vacuumed(
        connection: psycopg.Connection[Any], *given: Any, **more: Any
    ) -> Iterator[pl.DataFrame]:
        is_first = connection.info.backend_pid == seen.first
        if not done and is_first is (victim == "the first"):
            done.append(victim)
            run(primary.url(database), "DELETE FROM things WHERE id % 2 = 0", "VACUUM things")
            until_replayed(primary, standby)
        yield from real(connection, *given, **more)

    monkeypatch.setattr(parallel, "copy_frames", vacuumed)
    try:
        loaded = Loads(standby.url(database), tmp_path).load(2)
    finally:
        set_delay(standby, "30s")
    assert (loaded.rows, loaded.is_good, done) == (ROWS // 2, True, [victim])
    assert len(seen.connections) == 2, "it was read again, by several"


def set_delay(standby: EmbeddedPostgres, delay: str) -> None:
    """How long the standby lets reads hold up what it replays."""
    run(
        standby.url("postgres"),
        f"ALTER SYSTEM SET max_standby_streaming_delay = '{delay}'",
        "SELECT pg_reload_conf()",
    )
    deadline = time.monotonic() + 30
    while run(standby.url("postgres"), "SHOW max_standby_streaming_delay") != [(delay,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
