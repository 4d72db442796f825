"""A standby does not show the primary's open transactions (C3): a real one, by streaming."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg

from etl_assets.core.findings import Finding, Level
from etl_assets.core.position import Horizon
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.postgres.server_facts import findings_of_source, read_facts
from etl_assets.sources.postgres.horizon import HorizonPolicy, read_horizon
from etl_assets_tests.source_tables import run

LAG = timedelta(minutes=10)
WATERMARK = datetime(2024, 5, 17, tzinfo=UTC)


def look(url: str) -> Horizon:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return read_horizon(connection, HorizonPolicy(lag=LAG), WATERMARK)


def test_c3_a_standby_that_replayed_nothing_yet_lets_nothing_move(
    standby: EmbeddedPostgres,
) -> None:
    assert run(standby.url("postgres"), "SELECT pg_last_xact_replay_timestamp()") == [(None,)]
    assert look(standby.url("postgres")).moment == WATERMARK


def test_c3_on_a_standby_the_horizon_stays_behind_what_was_replayed(
    primary: EmbeddedPostgres, standby: EmbeddedPostgres
) -> None:
    run(primary.url("postgres"), "CREATE TABLE noted (at timestamptz DEFAULT clock_timestamp())")
    with closing(psycopg.connect(primary.url("postgres"))) as hidden:
        hidden.execute("INSERT INTO noted DEFAULT VALUES")
        run(primary.url("postgres"), "INSERT INTO noted DEFAULT VALUES")
        at = run(primary.url("postgres"), "SELECT max(at) FROM noted")[0][0]
        deadline = time.monotonic() + 30
        while (horizon := look(standby.url("postgres"))).moment < at - LAG:
            assert time.monotonic() < deadline, horizon
            time.sleep(0.05)
    run(primary.url("postgres"), "DROP TABLE noted")
    assert at - LAG <= horizon.moment <= horizon.now - LAG
    assert "The source is a standby" in horizon.warnings[0]
    assert "0:10:00 behind" in horizon.warnings[0]


def test_doctor_says_what_a_standby_does_to_long_reads(standby: EmbeddedPostgres) -> None:
    def found() -> Finding:
        with closing(psycopg.connect(standby.url("postgres"), autocommit=True)) as connection:
            facts = read_facts(connection)
        (one,) = [f for f in findings_of_source("source", facts, 3600) if f.check == "standby"]
        return one

    before = found()
    assert before.level is Level.WARNING
    assert "cancels reads after 30 s" in before.found
    change = "ALTER SYSTEM SET hot_standby_feedback = on"
    assert change in before.next_step
    with closing(psycopg.connect(standby.url("postgres"), autocommit=True)) as connection:
        connection.execute(change)
        connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 30
    while found().level is not Level.OK:
        assert time.monotonic() < deadline
