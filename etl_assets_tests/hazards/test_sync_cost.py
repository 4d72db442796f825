"""B5, M10: what each sync costs the source, which index it wants, and that the index serves it."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from etl_assets.core.cursor import LAST, Version
from etl_assets.core.position import Position
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.sources.snapshot import SyncCost
from etl_assets_tests.changing import MUCH, changing_table, frame_of
from etl_assets_tests.source_tables import UTC_MOMENT, run, snapshot_of
from etl_assets_tests.sync.kinds import KINDS, Kind

ROWS = 40_000


def many(url: str, kind: Kind, *, index: bool) -> None:
    """So many rows that have not changed for days."""
    run(url, *kind.create(), kind.put(1, ROWS, ago="10 days"))
    run(url, *([] if index else ["DROP INDEX shelf_cursor"]), "ANALYZE shelf")


def cost_of(url: str, table: LayerTable) -> SyncCost:
    with snapshot_of(url, table) as snapshot:
        cost = snapshot.sync_cost()
    assert cost is not None
    return cost


@pytest.mark.soak_for("seconds", "a local time")
@pytest.mark.parametrize("name", KINDS)
def test_b5_the_index_that_doctor_names_serves_a_sync(database_url: str, name: str) -> None:
    kind = KINDS[name]
    table = kind.table()
    many(database_url, kind, index=False)
    before = cost_of(database_url, table)
    assert "a scan of the whole table, about 40,000 rows" in before.reads
    statement = f"CREATE INDEX CONCURRENTLY ON public.shelf ({kind.expression}, id)"
    assert before.index == statement
    run(database_url, statement, "ANALYZE shelf", kind.put(1, 9))
    after = cost_of(database_url, table)
    assert after.index is None
    assert after.reads.startswith("an index range")
    assert after.without_cursor == 0

    cursor = table.cursor
    assert cursor is not None
    with snapshot_of(database_url, table) as snapshot:
        snapshot.connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        seen = snapshot.as_of - timedelta(days=3)
        mark = Position(seen, number=None if cursor.has_moments else ROWS)
        assert frame_of(snapshot.changes(mark, LAST, 1000, MUCH)).height == 9
        snapshot.without_cursor(None, 1000, MUCH)
        snapshot.beyond(LAST, None, 1000, MUCH)
        ((scans, fetched),) = snapshot.connection.execute(
            "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'shelf'"
        ).fetchall()
    assert scans == 0
    assert fetched < 200, "only what changed is looked at"


def test_b5_m10_rows_without_a_cursor_are_counted_and_a_second_column_is_named(
    database_url: str,
) -> None:
    kind = KINDS["the greatest of two"]
    run(database_url, *kind.create(), kind.put(1, 60), "UPDATE shelf SET updated_at = NULL")
    table = replace(kind.table(), cursor_column="updated_at", versions=None)
    cost = cost_of(database_url, table)
    assert cost.cursor == "updated_at (a moment)"
    assert cost.without_cursor == 60
    (note,) = cost.notes
    assert "60 rows have no updated_at, so every sync reads them again." in note
    assert 'cursor_column=("updated_at", "created_at")' in note
    both = cost_of(database_url, kind.table())
    assert (both.without_cursor, both.notes) == (0, ())


def test_b5_names_that_want_quotes_have_them_in_the_statement(database_url: str) -> None:
    run(
        database_url,
        'CREATE TABLE "Things" ("order" bigint PRIMARY KEY, day_at timestamptz, "At" timestamptz)',
    )
    table = changing_table({"order": pl.Int64, "At": UTC_MOMENT}, key=("order",), name="Things")
    table = replace(table, cursor_column="At")
    run(database_url, 'ALTER TABLE "Things" ADD COLUMN updated_at timestamptz')
    cost = cost_of(database_url, table)
    assert cost.index == 'CREATE INDEX CONCURRENTLY ON public."Things" ("At", "order")'
    run(database_url, str(cost.index))
    assert cost_of(database_url, table).index is None


def test_b5_m10_each_table_of_an_inheritance_tree_wants_an_index_of_its_own(
    database_url: str,
) -> None:
    run(
        database_url,
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, updated_at timestamptz)",
        "CREATE TABLE lorries (PRIMARY KEY (id)) INHERITS (things)",
        'CREATE TABLE elsewhere."Small Lorries" (PRIMARY KEY (id)) INHERITS (lorries)',
    )
    table = changing_table({"id": pl.Int64, "updated_at": UTC_MOMENT}, name="things")
    cost = cost_of(database_url, table)
    statements = str(cost.index).split("; ")
    assert statements == [
        'CREATE INDEX CONCURRENTLY ON elsewhere."Small Lorries" (updated_at, id)',
        "CREATE INDEX CONCURRENTLY ON public.lorries (updated_at, id)",
        "CREATE INDEX CONCURRENTLY ON public.things (updated_at, id)",
    ]
    for done, statement in enumerate(statements, 1):
        run(database_url, statement)
        left = "; ".join(statements[done:]) or None
        assert cost_of(database_url, table).index == left, "only what is still missing is asked for"


def test_b5_a_table_that_is_read_alone_wants_no_index_of_its_children(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, updated_at timestamptz)",
        "CREATE TABLE lorries (PRIMARY KEY (id)) INHERITS (things)",
    )
    table = changing_table({"id": pl.Int64, "updated_at": UTC_MOMENT}, name="things")
    alone = replace(table, source=PostgresTable("things", only=True))
    wanted = "CREATE INDEX CONCURRENTLY ON public.things (updated_at, id)"
    assert cost_of(database_url, alone).index == wanted


def test_b5_a_counter_of_each_row_and_a_sequence_with_a_cache_are_told(database_url: str) -> None:
    kind = KINDS["a version"]
    run(database_url, *kind.create(), kind.put(1, 40))
    assert cost_of(database_url, kind.table()).notes == ()
    run(
        database_url,
        "ALTER TABLE shelf ALTER COLUMN version SET DEFAULT nextval('shelf_version')",
        "ALTER SEQUENCE shelf_version CACHE 20",
    )
    (note,) = cost_of(database_url, kind.table()).notes
    assert "hands out 20 numbers at once (CACHE)" in note
    assert "lookback=20 times" in note
    wide = replace(kind.table(), cursor_column=Version("version", lookback=200))
    assert cost_of(database_url, wide).notes == ()
    run(database_url, "UPDATE shelf SET version = CASE WHEN id < 30 THEN 1 ELSE 2 END")
    (note,) = cost_of(database_url, wide).notes
    assert "cannot be a cursor" in note


def test_a_view_and_a_table_without_a_cursor_want_no_index(database_url: str) -> None:
    kind = KINDS["the greatest of two"]
    run(database_url, *kind.create("kept"), "CREATE VIEW shelf AS SELECT * FROM kept")
    assert cost_of(database_url, kind.table()).index is None
    with snapshot_of(database_url, replace(kind.table(), cursor_column=None)) as snapshot:
        assert snapshot.sync_cost() is None
