"""A database that an earlier release filled, brought up to this one while others land and load."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest
from alembic import command

from etl_assets.core.errors import SourceUnavailable
from etl_assets.events import database as events_database
from etl_assets.events import schema
from etl_assets.events.links import relink
from etl_assets.events.partitions import ensure_partitions
from etl_assets_tests.events.arrivals import Meant, fold, statuses_of
from etl_assets_tests.events.store import Store

A_DAY = 24 * 3600
OLD = [
    Meant(event_id, product="old", happened=happened, received=9)
    for event_id, happened in (("x", 0), (" X", 0), ("K-\u0130", 5), ("k-i\u0307 ", 5), ("y", 7))
]
NEW = [replace(one, product="new", happened=A_DAY, received=2 * A_DAY) for one in OLD]
ARRIVALS = [*OLD, *NEW, Meant("bad", is_broken=True)]
OF_EVENTS = ("events_named_anonymous_id", "events_linked_anonymous_id")


def filled(store: Store, revision: str) -> None:
    """As a release of that revision left it, with statuses that depended on the order."""
    store.land(ARRIVALS)
    store.load()
    with store.database.engine.begin() as connection:
        command.downgrade(schema._config(connection), revision)
    store.sql(
        "UPDATE staging_events SET status = CASE status WHEN 'duplicate' THEN 'superseded' "
        "ELSE 'duplicate' END WHERE status IN ('duplicate', 'superseded')"
    )
    assert store.landed() != statuses_of(ARRIVALS)


def broken_indexes(store: Store) -> list[str]:
    """Those that are not valid, and those of a partition that are no part of their parent's."""
    rows = store.sql(
        "SELECT c.relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
        "WHERE NOT indisvalid OR (NOT c.relispartition AND c.relname LIKE 'events_p2%')"
    )
    return [name for (name,) in rows]


def parts(store: Store, name: str) -> int:
    rows = store.sql(f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{name}'::regclass")
    return int(rows[0][0])


def test_a_filled_database_of_a_release_without_links_is_upgraded_and_goes_on(
    store: Store,
) -> None:
    filled(store, "e0002")
    before = store.rows()
    assert store.database.migrate() == ("e0002", schema.newest())
    assert store.rows() == before == fold(ARRIVALS)
    assert store.landed() == statuses_of(ARRIVALS)
    assert store.agrees_with_itself()
    assert broken_indexes(store) == []
    assert [parts(store, name) for name in OF_EVENTS] == [2, 2]
    newest = Meant("X ", happened=3 * A_DAY, product="newest", received=4 * A_DAY)
    store.land([newest])
    store.load()
    assert store.rows() == fold([*ARRIVALS, newest])
    assert store.landed() == statuses_of([*ARRIVALS, newest])
    assert [parts(store, name) for name in OF_EVENTS] == [3, 3]
    assert relink(store.database) == 0


def test_an_upgrade_that_was_cut_short_goes_on_where_it_stopped(store: Store) -> None:
    filled(store, "e0004")
    partial = "(anonymous_id) WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL"
    store.sql(
        "CREATE INDEX staging_events_gave_way ON staging_events (known_as)",
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'staging_events_gave_way'::regclass",
        f"CREATE INDEX events_named_anonymous_id ON ONLY events {partial}",
        f"CREATE INDEX events_p20240301_named_anonymous_id ON events_p20240301 {partial}",
        "UPDATE staging_events SET known_as = lower(trim(event_id)) WHERE event_id = 'y'",
    )
    assert broken_indexes(store) != []
    assert store.database.migrate() == ("e0004", schema.newest())
    assert broken_indexes(store) == []
    assert [parts(store, name) for name in OF_EVENTS] == [2, 2]


def test_events_land_and_load_while_indexes_are_built(store: Store) -> None:
    filled(store, "e0004")
    later = Meant("z", happened=5 * A_DAY, received=5 * A_DAY)
    with ThreadPoolExecutor(1) as pool:
        with store.database.transaction("landing in another transaction") as connection:
            connection.execute("UPDATE staging_events SET error = NULL WHERE event_id = 'bad'")
            upgrading = pool.submit(store.database.migrate)
            store.await_waiting()
            store.land([later])
            assert store.load().loaded == 1
            with store.database.transaction("making partitions") as apart:
                ensure_partitions(apart, [date(2024, 3, 20)])
            assert not upgrading.done()
        assert upgrading.result(60) == ("e0004", schema.newest())
    assert store.landed() == statuses_of([*ARRIVALS, later])
    assert broken_indexes(store) == []
    assert [parts(store, name) for name in OF_EVENTS] == [4, 4]


def test_two_that_upgrade_at_once_wait_for_each_other(store: Store) -> None:
    filled(store, "e0002")
    with ThreadPoolExecutor(2) as pool:
        done = [one.result(60) for one in [pool.submit(store.database.migrate) for _ in range(2)]]
    newest = schema.newest()
    assert sorted(done) == [("e0002", newest), (newest, newest)]


def test_a_change_of_a_table_does_not_wait_for_long_and_can_be_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, "e0003")
    monkeypatch.setattr(events_database, "_LOCK_SECONDS", 0.1)
    with store.database.transaction("reading for long") as connection:
        connection.execute("SELECT count(*) FROM staging_events")
        with pytest.raises(SourceUnavailable, match=r"Look in pg_stat_activity"):
            store.database.migrate()
    assert store.database.migrate() == ("e0003", schema.newest())
    assert store.landed() == statuses_of(ARRIVALS)
