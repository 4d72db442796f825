"""The stream from the source: lazy, bounded, closed at any time, and nothing left behind."""

import threading
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import polars as pl
import psycopg
import pytest

from etl_assets.core.errors import SourceUnavailable
from etl_assets_tests.source_tables import (
    DAY,
    make_v,
    plain_table,
    pool_of,
    reader_of,
    run,
    snapshot_of,
)

TABLE = plain_table({"v": pl.String})
BIG_ROWS, BIG_WIDTH = 400_000, 1000


def big(url: str) -> None:
    """400 MB a day, made as they are read."""
    run(
        url,
        "CREATE VIEW things AS SELECT n::bigint AS id, timestamptz '2024-05-17 12:00Z' AS day_at, "
        f"repeat('x', {BIG_WIDTH}) AS v FROM generate_series(1, {BIG_ROWS}) n",
    )


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def sessions(url: str) -> list[tuple[object, ...]]:
    return run(
        url,
        "SELECT state, query FROM pg_stat_activity WHERE application_name = 'etl_assets' "
        "AND datname = current_database()",
    )


def test_the_server_is_read_only_as_far_as_somebody_takes_the_rows(database_url: str) -> None:
    big(database_url)
    with snapshot_of(database_url, TABLE) as snapshot:
        batches = snapshot.day(DAY).batches()
        assert not [s for s in sessions(database_url) if "COPY" in str(s[1])]
        first = next(batches)
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SET statement_timeout = '20s'")
            waits = "SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
            other.execute(
                f"DO $$ BEGIN WHILE NOT EXISTS ({waits} AND query LIKE 'COPY%') LOOP "
                "PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP; END $$".encode()
            )
            sent = other.execute("SELECT bytes_processed FROM pg_stat_progress_copy").fetchone()
        batches.close()

    assert 0 < first.height < BIG_ROWS / 20
    assert sent is not None
    assert sent[0] < BIG_ROWS * BIG_WIDTH / 2  # Arrow reads about 100 MB ahead


def test_closing_early_cancels_the_copy_and_gives_the_connection_back(database_url: str) -> None:
    big(database_url)
    with reader_of(database_url, size=1, max_overflow=0) as reader:
        for _ in range(3):
            with reader.snapshot(TABLE) as snapshot:
                pid = snapshot.connection.info.backend_pid
                batches = snapshot.day(DAY).batches()
                next(batches)
                batches.close()
                assert "copy-pump" not in {thread.name for thread in threading.enumerate()}
            assert pool_of(reader).checkedout() == 0  # type: ignore[attr-defined]
            assert [state for state, _ in sessions(database_url)] == ["idle"]
        with reader.snapshot(TABLE) as snapshot:
            assert snapshot.connection.info.backend_pid == pid
            assert snapshot.day(DAY).evidence().row_count == BIG_ROWS


def test_closing_early_does_not_wait_for_a_server_that_is_busy(database_url: str) -> None:
    run(
        database_url,
        "CREATE VIEW things AS SELECT n::bigint AS id, timestamptz '2024-05-17' AS day_at, "
        "CASE WHEN n = 60000 THEN pg_sleep(600)::text ELSE repeat('x', 300) END AS v "
        "FROM generate_series(1, 100000) n",
    )
    with snapshot_of(database_url, TABLE) as snapshot:
        batches = snapshot.day(DAY).batches()
        next(batches)
        began = time.monotonic()
        batches.close()

    assert time.monotonic() - began < 120


def test_an_error_of_the_one_who_reads_ends_the_copy_too(database_url: str) -> None:
    big(database_url)
    with reader_of(database_url, size=1, max_overflow=0) as reader:
        with pytest.raises(KeyError), reader.snapshot(TABLE) as snapshot:
            next(snapshot.day(DAY).batches()).row(0, named=True)["no such column"]
        assert [state for state, _ in sessions(database_url)] == ["idle"]


@pytest.mark.thorough
def test_fifty_reads_leave_no_thread_and_no_file_behind(database_url: str) -> None:
    make_v(database_url, "text", ["'x'", "NULL"])
    big_table = plain_table({"v": pl.String}, name="big")
    run(
        database_url,
        "CREATE VIEW big AS SELECT n::bigint AS id, timestamptz '2024-05-17' AS day_at, "
        "repeat('x', 1000) AS v FROM generate_series(1, 20000) n",
    )

    def once(number: int) -> None:
        table = big_table if number % 5 == 0 else TABLE
        with reader.snapshot(table) as snapshot:
            batches = snapshot.day(DAY).batches()
            list(islice(batches, 1)) if number % 2 else list(batches)
            batches.close()

    with reader_of(database_url) as reader:
        for number in range(10):  # the pools of Arrow and Polars fill up once
            once(number)
        before = open_files(), threading.active_count()
        for number in range(50):
            once(number)
        assert (open_files(), threading.active_count()) == before


def test_a_session_is_left_as_it_was_found(database_url: str) -> None:
    make_v(database_url, "text", ["'x'"])
    settings = (
        "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name !~ '^transaction_'"
    )
    with reader_of(database_url, size=1, max_overflow=0) as reader:
        with reader._engine.connect() as connection:
            before = connection.exec_driver_sql(settings).all()
        for _ in range(2):
            with reader.snapshot(TABLE) as snapshot:
                day = snapshot.day(DAY)
                for _ in range(6):
                    day.evidence()
                list(day.batches())
                # PgBouncer may give the next transaction another server: nothing is prepared.
                held = snapshot.connection.execute("SELECT count(*) FROM pg_prepared_statements")
                assert held.fetchone() == (0,)
                assert snapshot.connection.execute("SHOW intervalstyle").fetchone() == ("iso_8601",)
                assert snapshot.connection.execute("SHOW transaction_isolation").fetchone() == (
                    "repeatable read",
                )
        with reader._engine.connect() as connection:
            assert connection.exec_driver_sql(settings).all() == before
            assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "off"


def test_options_of_the_url_reach_the_server_and_ours_still_hold(database_url: str) -> None:
    run(
        database_url,
        "CREATE SCHEMA other",
        "CREATE TABLE things (id bigint, day_at timestamptz, v text)",
        "INSERT INTO things VALUES (1, '2024-05-17 23:30Z', 'x')",
    )
    url = f"{database_url}&options=-c%20timezone%3DAsia/Tokyo%20-c%20datestyle%3DGerman"
    with snapshot_of(url, TABLE) as snapshot:
        assert snapshot.connection.info.parameter_status("TimeZone") == "UTC"
        rows = pl.concat(snapshot.day(DAY).batches())
    assert rows["day_at"].to_list() == [datetime(2024, 5, 17, 23, 30, tzinfo=UTC)]


def test_a_read_that_the_server_breaks_off_raises_and_yields_no_false_end(
    database_url: str,
) -> None:
    run(
        database_url,
        "CREATE VIEW things AS SELECT n::bigint AS id, timestamptz '2024-05-17' AS day_at, "
        "CASE WHEN n = 60000 THEN pg_terminate_backend(pg_backend_pid())::text "
        "ELSE repeat('x', 300) END AS v FROM generate_series(1, 100000) n",
    )
    with pytest.raises(SourceUnavailable, match="57P01"), snapshot_of(database_url, TABLE) as shot:
        for _ in shot.day(DAY).batches():
            pass
