"""How far a sync may read: open transactions hold it back (C2), and clocks differ (C6)."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from etl_assets.core.position import Horizon, Position
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.sources.postgres.horizon import HorizonPolicy
from etl_assets_tests.changing import MUCH, THINGS, frame_of, make_things
from etl_assets_tests.open_transactions import AT_ONCE, MARGIN, WATERMARK, look, start_of, writer
from etl_assets_tests.source_tables import reader_of, run


def test_c6_the_horizon_is_the_source_s_clock_less_a_margin(database_url: str) -> None:
    before = run(database_url, "SELECT clock_timestamp()")[0][0]
    horizon = look(database_url)
    after = run(database_url, "SELECT clock_timestamp()")[0][0]
    assert before <= horizon.now <= after
    assert horizon == Horizon(horizon.now - MARGIN, horizon.now)
    wider = look(database_url, HorizonPolicy(margin=timedelta(minutes=5)))
    assert wider.now - wider.moment == timedelta(minutes=5)
    assert wider.moment.utcoffset() == timedelta(0)


def test_c6_the_session_s_zone_and_date_style_change_nothing(database_url: str) -> None:
    options = "&options=-c%20timezone%3DAsia%2FTokyo%20-c%20datestyle%3DSQL%2CDMY"
    with writer(database_url, "SELECT 1") as open_one:
        horizon = look(database_url + options)
        assert horizon.moment == start_of(open_one) - MARGIN


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT txid_current()"])
def test_c2_an_open_transaction_holds_the_horizon_back_even_if_it_wrote_nothing_yet(
    database_url: str, statement: str
) -> None:
    with writer(database_url, statement, application_name="till 7") as open_one:
        horizon = look(database_url)
        started = start_of(open_one)
        pid = open_one.info.backend_pid
    assert horizon.moment == started - MARGIN
    assert horizon.held_by == (
        f"pid {pid} (till 7, idle in transaction) since {started.isoformat(timespec='seconds')}"
    )
    assert horizon.warnings == ()


def test_c2_sessions_at_rest_of_other_databases_and_our_own_readers_hold_nothing(
    database_url: str, postgres: EmbeddedPostgres
) -> None:
    make_things(database_url, "SELECT 1, now(), now()")
    with (
        writer(postgres.url("postgres"), "SELECT 1"),
        closing(psycopg.connect(database_url, autocommit=True)) as resting,
        reader_of(database_url) as reader,
        reader.snapshot(THINGS),
    ):
        resting.execute("SELECT 1")
        horizon = reader.horizon(AT_ONCE, WATERMARK)
    assert (horizon.now - horizon.moment, horizon.held_by) == (MARGIN, None)


def test_c2_a_session_of_our_name_that_writes_holds_the_horizon_back(database_url: str) -> None:
    with (
        reader_of(database_url) as reader,
        writer(database_url, "SELECT txid_current()", application_name="etl_assets"),
    ):
        assert reader.horizon(AT_ONCE, WATERMARK).held_by is not None


@pytest.mark.parametrize("careful", [True, False])
def test_c2_a_late_commit_is_read_unless_the_watermark_ran_ahead_of_it(
    database_url: str, careful: bool
) -> None:
    make_things(database_url, "SELECT 1, now(), now()")
    insert = "INSERT INTO things VALUES ({}, now(), now())"
    seen: list[int] = []
    watermark = WATERMARK
    with reader_of(database_url) as reader:

        def sync() -> None:
            nonlocal watermark
            horizon = reader.horizon(replace(AT_ONCE, margin=timedelta(0)), watermark)
            until = horizon.moment if careful else horizon.now
            with reader.snapshot(THINGS) as snapshot:
                read = snapshot.changes(Position(watermark), until, 100, MUCH)
                seen.extend(frame_of(read)["id"])
            watermark = max(watermark, until)

        with writer(database_url, insert.format(2)) as late:
            run(database_url, insert.format(3))
            sync()
            late.commit()
        sync()
    assert sorted(seen) == ([1, 2, 3] if careful else [1, 3])


def test_c2_a_transaction_older_than_may_be_is_passed_over_with_a_warning(
    database_url: str,
) -> None:
    with writer(database_url, "SELECT 1") as old, writer(database_url, "SELECT 1") as younger:
        policy = replace(AT_ONCE, max_hold=timedelta(0))
        horizon = look(database_url, policy)
        pids = [old.info.backend_pid, younger.info.backend_pid]
    assert horizon.now - horizon.moment == MARGIN
    assert horizon.held_by is None
    assert len(horizon.warnings) == 2
    for pid, warning in zip(pids, horizon.warnings, strict=True):
        assert f"pid {pid} " in warning
        assert "may be missed until a reconciliation" in warning


def test_no_query_is_quoted(database_url: str) -> None:
    with writer(database_url, "SELECT 'canary-7c1'"):
        horizon = look(database_url)
        passed = look(database_url, replace(AT_ONCE, max_hold=timedelta(0)))
    assert "canary" not in f"{horizon}{passed}"
