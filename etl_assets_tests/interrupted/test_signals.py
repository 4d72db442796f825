"""R8: a signal ends what waits and what works, at the server as well, and nothing is published."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psycopg
import pytest

from etl_assets_tests.contract.days import orders, publish, staged
from etl_assets_tests.interrupted.children import published, ready, work_until_signal
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at
from etl_assets_tests.processes import ended, hold, holding, start
from etl_assets_tests.source_tables import run

SECONDS = 120  # far less than what the children would wait for
SIGNALS = [signal.SIGINT, signal.SIGTERM]
INTERRUPTED = "Terminated"
ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'etl_assets%' "
    "AND datname = current_database() AND state <> 'idle'"
)
WORKING = {
    "lock": f"{ACTIVE} AND wait_event_type = 'Lock'",
    "sleep": f"{ACTIVE} AND wait_event = 'PgSleep'",
    "copy": f"{ACTIVE} AND query LIKE 'COPY%'",
}


def until(look: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.02)


def interrupted(
    name: str, url: str, folder: Path, number: int, working: Callable[[], object]
) -> str:
    """Start the child, send the signal when it is at work; what it ended with, soon."""
    child = start(work_until_signal, name, url, folder)
    assert child.pid is not None
    until(working, name)
    began = time.monotonic()
    os.kill(child.pid, number)
    assert ended(child, SECONDS) == 0
    assert time.monotonic() - began < SECONDS
    return (folder / "outcome").read_text()


def slow_things(url: str) -> None:
    run(
        url,
        "CREATE VIEW things AS SELECT n::bigint AS id, timestamptz '2024-05-17' AS day_at, "
        "CASE WHEN n > 20000 THEN pg_sleep(600)::text ELSE repeat('x', 1000) END AS v "
        "FROM generate_series(1, 20001) n",
    )


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "name", ["source: waiting for a lock", "source: after the horizon, waiting for a lock"]
)
def test_r8_a_reader_that_waits_for_a_lock(
    database_url: str, tmp_path: Path, name: str, number: int
) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz, v text)")
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE things")
        outcome = interrupted(
            name, database_url, tmp_path, number, lambda: run(database_url, WORKING["lock"])[0][0]
        )
        assert outcome == INTERRUPTED
        until(lambda: run(database_url, ACTIVE) == [(0,)], "the end of the statement")


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("source: counting", "sleep"),
        ("source: in a COPY", "copy"),
        ("source: in a statement of SQLAlchemy", "sleep"),
    ],
)
def test_r8_a_reader_at_work(database_url: str, tmp_path: Path, name: str, state: str) -> None:
    slow_things(database_url)
    if name == "source: counting":  # what counts must sleep as well
        run(
            database_url,
            "DROP VIEW things",
            "CREATE VIEW things AS SELECT 1::bigint AS id, timestamptz '2024-05-17' AS day_at, "
            "NULL::text AS v FROM pg_sleep(600)",
        )
    outcome = interrupted(
        name,
        database_url,
        tmp_path,
        signal.SIGINT,
        lambda: run(database_url, WORKING[state])[0][0],
    )
    assert outcome == INTERRUPTED
    until(lambda: run(database_url, ACTIVE) == [(0,)], "the end of the statement")


@pytest.mark.parametrize("number", SIGNALS)
def test_r8_a_publication_that_waits_for_a_lock(
    database_url: str, tmp_path: Path, number: int
) -> None:
    with warehouse_at(database_url) as warehouse:
        publish(warehouse, staged(tmp_path, orders({1: "one"}), run_id="first"))
        with psycopg.connect(database_url) as holder:
            holder.execute("LOCK TABLE etl.etl_state IN ACCESS EXCLUSIVE MODE")
            outcome = interrupted(
                "warehouse: waiting for a lock",
                database_url,
                tmp_path,
                number,
                lambda: run(database_url, WORKING["lock"])[0][0],
            )
            assert outcome == INTERRUPTED
            until(lambda: run(database_url, ACTIVE) == [(0,)], "the end of the statement")
        assert [state.run_id for state in warehouse.state()] == ["first"]
    assert run(database_url, "SELECT DISTINCT _run_id FROM raw.orders") == [("first",)]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("warehouse: in a statement of SQLAlchemy", "sleep"),
        ("warehouse: filling by COPY", "copy"),
        ("warehouse: filling by COPY, the server is slow", "sleep"),
    ],
)
def test_r8_a_warehouse_at_work(database_url: str, tmp_path: Path, name: str, state: str) -> None:
    run(
        database_url,
        "CREATE TABLE slow (v text)",
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'",
        "CREATE TRIGGER slowly BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION slowly()",
    )
    outcome = interrupted(
        name,
        database_url,
        tmp_path,
        signal.SIGTERM,
        lambda: run(database_url, WORKING[state])[0][0],
    )
    assert outcome == INTERRUPTED
    until(lambda: run(database_url, ACTIVE) == [(0,)], "the end of the statement")
    assert run(database_url, "SELECT to_regclass('filled') IS NULL") == [(True,)]


def _hold_turn(signs: Path, folder: Path) -> None:
    from etl_assets.warehouse.duckdb.file_turns import turn

    with turn(folder / "warehouse.duckdb", "testing", 600):
        hold(signs)


def _hold_file(signs: Path, folder: Path) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")):
        hold(signs)


@pytest.mark.parametrize("holder", [_hold_turn, _hold_file], ids=["our lock", "another program"])
@pytest.mark.parametrize("number", SIGNALS)
def test_r8_waiting_for_the_duckdb_file(
    tmp_path: Path, holder: Callable[..., None], number: int
) -> None:
    ready(tmp_path)
    with holding(holder, tmp_path / "signs", tmp_path):
        outcome = interrupted(
            "duckdb: waiting for the turn", "", tmp_path, number, (tmp_path / "first batch").exists
        )
    assert outcome == INTERRUPTED
    assert published(tmp_path) == {1: "one"}


@pytest.mark.parametrize("name", ["duckdb: in a query", "duckdb: fetching in a transaction"])
def test_r8_a_duckdb_query_that_runs(tmp_path: Path, name: str) -> None:
    ready(tmp_path)
    outcome = interrupted(name, "", tmp_path, signal.SIGINT, (tmp_path / "first batch").exists)
    assert outcome in {INTERRUPTED, "KeyboardInterrupt"}  # DuckDB may have lost the first
    assert published(tmp_path) == {1: "one"}
