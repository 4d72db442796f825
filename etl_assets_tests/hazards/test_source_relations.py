"""What cannot be guaranteed for a kind of relation is said; of a plain table nothing is said."""

import threading
from dataclasses import replace

import polars as pl
import psycopg
import pytest

from etl_assets.core.errors import SourceError
from etl_assets.core.source_specs import Parent
from etl_assets_tests.changing import THINGS, changing_table, make_things
from etl_assets_tests.source_tables import DAY, UTC_MOMENT, read_day, run, snapshot_of

ROWS = (
    "SELECT n, '2024-05-17Z'::timestamptz, '2024-05-17Z'::timestamptz FROM generate_series(1, 3) n"
)
RENAMED = "ALTER TABLE things RENAME TO base"
# What `things` is made from, and what is said of it; nothing is said of a plain table.
SAID: dict[str, tuple[list[str], list[str]]] = {
    "a table": (["SELECT"], []),
    "a view": (
        [RENAMED, "CREATE VIEW things AS SELECT * FROM base"],
        ["public.things is a view: a row that comes into it"],
    ),
    "a materialised view": (
        [RENAMED, "CREATE MATERIALIZED VIEW things AS SELECT * FROM base"],
        ["public.things is a materialised view: its rows are as", "A sync of it goes on after"],
    ),
    "a view of a materialised view": (
        [
            RENAMED,
            "CREATE MATERIALIZED VIEW mv AS SELECT * FROM base",
            "CREATE VIEW things AS SELECT * FROM mv",
        ],
        [
            "public.things reads the materialised view public.mv",
            "public.things is a view",
            "A sync of it",
        ],
    ),
    "a partitioned table": (
        [
            RENAMED,
            "CREATE TABLE things (LIKE base) PARTITION BY RANGE (day_at)",
            "ALTER TABLE things ATTACH PARTITION base DEFAULT",
        ],
        [],
    ),
    "with children": (
        ["CREATE TABLE one () INHERITS (things)", "CREATE TABLE two () INHERITS (one)"],
        [
            "public.things has child tables, whose rows are read with its own (public.one, "
            "public.two)"
        ],
    ),
}


@pytest.mark.parametrize("kind", SAID)
def test_b4_what_a_kind_of_relation_cannot_is_said(database_url: str, kind: str) -> None:
    statements, told = SAID[kind]
    make_things(database_url, ROWS)
    run(database_url, *statements)
    with snapshot_of(database_url, THINGS) as snapshot:
        limits = list(snapshot.limits())
        evidence = snapshot.day(DAY).evidence()
    assert len(limits) == len(told)
    assert all(limit.startswith(text) for limit, text in zip(limits, told, strict=True))
    assert (evidence.row_count, list(evidence.limits)) == (3, limits)
    # Without a cursor nothing is said of syncs.
    with snapshot_of(database_url, replace(THINGS, cursor_column=None)) as snapshot:
        assert not [limit for limit in snapshot.limits() if "sync" in limit]


def test_b4_a_parent_that_is_a_materialised_view_is_read_and_named(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE base AS SELECT 1::bigint AS id, '2024-05-17Z'::timestamptz AS born",
        "CREATE MATERIALIZED VIEW owners AS SELECT * FROM base",
        "CREATE TABLE things AS SELECT 7::bigint AS id, 1::bigint AS owner_id, "
        "'2024-05-17Z'::timestamptz AS updated_at",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "born"})
    table = changing_table(parent=parent)
    assert read_day(database_url, table)[0]["id"].to_list() == [7]
    with snapshot_of(database_url, table) as snapshot:
        assert any("parent in public.owners" in limit for limit in snapshot.limits())


def test_b4_a_refresh_waits_until_the_materialised_view_is_read(database_url: str) -> None:
    make_things(database_url, ROWS)
    run(database_url, RENAMED, "CREATE MATERIALIZED VIEW things AS SELECT * FROM base")
    run(database_url, "DELETE FROM base WHERE id > 1")
    with snapshot_of(database_url, THINGS) as snapshot:
        assert snapshot.without_day() == 0
        refresh = threading.Thread(
            target=run, args=(database_url, "REFRESH MATERIALIZED VIEW things")
        )
        refresh.start()
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass"
        )
        while run(database_url, waiting) == [(0,)]:
            assert refresh.is_alive()
        assert pl.concat(list(snapshot.day(DAY).batches())).height == 3
    refresh.join(60)
    assert read_day(database_url, THINGS)[0].height == 1


def test_c9_a_table_is_still_locked_before_the_snapshot_is_taken(database_url: str) -> None:
    make_things(database_url, ROWS)
    with (
        snapshot_of(database_url, THINGS),
        psycopg.connect(database_url) as other,
        pytest.raises(psycopg.errors.LockNotAvailable),
    ):
        other.execute("LOCK TABLE things IN ACCESS EXCLUSIVE MODE NOWAIT")


@pytest.mark.parametrize("what", ["CREATE SEQUENCE things", "CREATE TYPE things AS (id bigint)"])
def test_b4_what_has_no_rows_is_refused_in_one_sentence(database_url: str, what: str) -> None:
    run(database_url, what)
    with pytest.raises(SourceError, match="is neither a table nor a view") as raised:
        read_day(database_url, changing_table({"v": UTC_MOMENT}))
    assert "Name a table" in raised.value.next_step
