"""Transactions that pg_stat_activity does not show: prepared, or hidden from the role (C3)."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.sources.postgres.horizon import HorizonPolicy, read_horizon
from etl_assets_tests.open_transactions import (
    AT_ONCE,
    HOUR,
    MARGIN,
    WATERMARK,
    look,
    start_of,
    writer,
)
from etl_assets_tests.source_tables import run


@contextmanager
def prepared(url: str) -> Iterator[str]:
    """A prepared transaction's gid; it is rolled back if it is still there."""
    gid = f"order {uuid.uuid4().hex}"
    run(url, "CREATE TABLE IF NOT EXISTS noted (n int)")
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO noted VALUES (1)")
        connection.execute(f"PREPARE TRANSACTION '{gid}'".encode())
        try:
            yield gid
        finally:
            if connection.execute("SELECT FROM pg_prepared_xacts WHERE gid = %s", [gid]).fetchone():
                connection.execute(f"ROLLBACK PREPARED '{gid}'".encode())


@pytest.mark.parametrize("watermark", [WATERMARK, None])
def test_c3_a_prepared_transaction_lets_nothing_move(
    database_url: str, watermark: datetime | None
) -> None:
    with prepared(database_url) as gid:
        horizon = look(database_url, watermark=watermark)
    assert horizon.moment == (watermark or datetime.min.replace(tzinfo=UTC))
    assert horizon.held_by is not None
    assert horizon.held_by.startswith(f"prepared transaction '{gid}' since 20")


def test_c3_a_prepared_transaction_that_ends_in_time_is_waited_for(database_url: str) -> None:
    with prepared(database_url) as gid:
        end = threading.Timer(0.5, run, [database_url, f"COMMIT PREPARED '{gid}'"])
        end.start()
        horizon = look(database_url, HorizonPolicy(prepared_wait=timedelta(seconds=30)))
        end.join()
        ended = run(database_url, "SELECT clock_timestamp()")[0][0]
    assert horizon.held_by is None
    # What was safe at the first look: one that began while we waited is not vouched for.
    assert horizon.now - horizon.moment == MARGIN
    assert ended - horizon.now > timedelta(seconds=0.4)


class Meddled(psycopg.Connection):
    """A real connection, before whose third look (at prepared transactions) something happens."""

    looks = 0
    before_the_third: Callable[[], object]

    @contextmanager
    def transaction(self, *args: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        self.looks += 1
        if self.looks == 3:
            self.before_the_third()
        with super().transaction(*args, **options) as transaction:
            yield transaction


def test_c3_a_transaction_that_is_prepared_between_the_two_looks_does_not_slip_through(
    database_url: str,
) -> None:
    with (
        writer(database_url, "SELECT txid_current()") as open_one,
        closing(Meddled.connect(database_url, autocommit=True)) as connection,
    ):
        started, gid = start_of(open_one), uuid.uuid4().hex
        connection.before_the_third = lambda: open_one.execute(
            f"PREPARE TRANSACTION '{gid}'".encode()
        )
        try:
            horizon = read_horizon(connection, AT_ONCE, WATERMARK)
        finally:
            run(database_url, f"ROLLBACK PREPARED '{gid}'")
    assert horizon.moment <= started


def test_c3_an_old_prepared_transaction_is_passed_over_with_a_warning(database_url: str) -> None:
    with prepared(database_url) as gid:
        horizon = look(database_url, replace(AT_ONCE, max_hold=timedelta(0)))
    assert horizon.held_by is None
    assert horizon.now - horizon.moment == MARGIN
    assert gid in horizon.warnings[0]
    assert "may be missed" in horizon.warnings[0]


def test_c3_a_prepared_transaction_of_another_database_holds_nothing(
    database_url: str, postgres: EmbeddedPostgres
) -> None:
    postgres.ensure_database("beside")
    with prepared(postgres.url("beside")):
        assert look(database_url).held_by is None


@pytest.fixture
def unprivileged_url(database_url: str) -> Iterator[str]:
    name = f"limited_{uuid.uuid4().hex[:8]}"
    run(database_url, f"CREATE ROLE {name} LOGIN")
    yield database_url.replace("postgres:@", f"{name}:@")
    run(database_url, f"DROP ROLE {name}")


def test_c3_a_role_that_cannot_see_other_sessions_says_so_and_stays_behind(
    database_url: str, unprivileged_url: str
) -> None:
    with writer(database_url, "SELECT 1"):
        horizon = look(unprivileged_url, HorizonPolicy(lag=HOUR))
    assert horizon.now - horizon.moment == HOUR
    assert "1 other sessions cannot be seen" in horizon.warnings[0]
    assert "GRANT pg_read_all_stats" in horizon.warnings[0]


def test_c3_what_the_role_may_see_counts_even_if_it_is_older_than_the_lag(
    database_url: str, unprivileged_url: str
) -> None:
    with writer(unprivileged_url, "SELECT 1") as own, writer(database_url, "SELECT 1"):
        horizon = look(unprivileged_url, HorizonPolicy(lag=timedelta(0)))
        assert horizon.moment == start_of(own) - MARGIN
    assert horizon.warnings


@pytest.mark.parametrize("granted", ["pg_read_all_stats", "pg_monitor", "postgres"])
def test_c3_a_granted_role_sees_all(database_url: str, unprivileged_url: str, granted: str) -> None:
    role = unprivileged_url.split("//")[1].split(":")[0]
    run(database_url, f"GRANT {granted} TO {role}")
    with writer(database_url, "SELECT 1") as open_one:
        horizon = look(unprivileged_url)
        assert horizon.moment == start_of(open_one) - MARGIN
    assert horizon.warnings == ()


def test_c3_alone_in_the_database_an_unprivileged_role_is_not_blind(unprivileged_url: str) -> None:
    assert look(unprivileged_url).warnings == ()


def test_c3_a_session_that_hides_its_activity_is_not_taken_for_an_idle_one(
    database_url: str,
) -> None:
    with writer(database_url, "SET track_activities = off", "SELECT 1") as silent:
        silent.commit()
        silent.execute("SELECT 1")
        horizon = look(database_url, HorizonPolicy(lag=HOUR))
        pid = silent.info.backend_pid
    assert horizon.now - horizon.moment == HOUR
    assert f"pid {pid}" in horizon.warnings[0]
    assert "track_activities" in horizon.warnings[0]


def test_c3_a_prepared_transaction_is_seen_without_any_privilege(
    database_url: str, unprivileged_url: str
) -> None:
    with prepared(database_url) as gid:
        horizon = look(unprivileged_url)
    assert horizon.moment == WATERMARK
    assert gid in (horizon.held_by or "")
