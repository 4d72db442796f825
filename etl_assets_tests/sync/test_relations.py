"""Views, materialised views, partitioned tables and inheritance trees as sources (B4, B6)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import SourceError
from etl_assets.core.source_specs import PostgresTable
from etl_assets.orchestration.metadata import day_metadata
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put

DAYS = [FIRST_DAY + timedelta(days=n) for n in range(3)]
REFRESH = "REFRESH MATERIALIZED VIEW {}"
COLUMNS = "id bigint, created_at timestamptz, updated_at timestamptz, v text, amount numeric(12,2)"


def base(shelf: Shelf) -> Shelf:
    """The same with `base` for a table, to write into what `shelf` is made of."""
    return replace(shelf, table=replace(shelf.table, name="base"))


def as_relation(shelf: Shelf, *statements: str) -> None:
    """Make `shelf` something else: its table is called `base` from now on."""
    shelf.sql("ALTER TABLE shelf RENAME TO base", *statements)


def set_aside(shelf: Shelf) -> Sequence[tuple[str, str]]:
    """Rule and position of what is in quarantine, in order."""
    frame = shelf.warehouse.quarantined(shelf.table)
    return sorted(frame.select("rule", "source_position").rows())


MATERIALISED = "CREATE MATERIALIZED VIEW {} AS SELECT * FROM base"


@pytest.mark.thorough_but("itself")
@pytest.mark.parametrize("through", ["itself", "a view", "a view of a view"])
def test_b4_a_materialised_view_is_read_synced_and_reconciled(shelf: Shelf, through: str) -> None:
    # The case: matview.sql; the view of it, too.
    view = {"itself": "shelf"}.get(through, "mv")
    chain = {
        "itself": [],
        "a view": ["CREATE VIEW shelf AS SELECT * FROM mv"],
        "a view of a view": [
            "CREATE VIEW between AS SELECT * FROM mv WHERE id > 0",
            "CREATE VIEW shelf AS SELECT * FROM between",
        ],
    }[through]
    as_relation(shelf, MATERIALISED.format(view), *chain)
    put(base(shelf), 10, stamp="'2024-05-05Z'")
    shelf.sql(REFRESH.format(view))
    shelf.sync()
    assert shelf.published() == shelf.wanted()

    # What is stamped after the last row that was read comes with the next sync, also where that is
    # before the moment of the last sync.
    put(base(shelf), 5, first=11, stamp="'2024-05-06Z'")
    shelf.sync()
    shelf.sql(REFRESH.format(view))
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 15

    # What is stamped before it is late: only a reconciliation sees it, and it does.
    put(base(shelf), 5, first=16, stamp="'2024-05-05Z'")
    shelf.sql("DELETE FROM base WHERE id = 1", REFRESH.format(view))
    shelf.sync()
    assert len(shelf.published()) == 15
    found = shelf.reconcile()
    assert (found.differences.missing.height, found.differences.extra.height) == (5, 1)
    assert found.is_equal
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 19


def test_b4_a_lookback_covers_rows_of_a_refresh_that_are_a_little_late(shelf: Shelf) -> None:
    shelf.table = replace(shelf.table, lookback=timedelta(days=2))
    as_relation(shelf, MATERIALISED.format("shelf"))
    put(base(shelf), 3, stamp="'2024-05-06Z'")
    shelf.sql(REFRESH.format("shelf"))
    shelf.sync()
    put(base(shelf), 3, first=4, stamp="'2024-05-05Z'")
    shelf.sql(REFRESH.format("shelf"))
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 6


def test_b4_a_materialised_view_that_drops_to_nothing_takes_nothing_with_it(shelf: Shelf) -> None:
    shelf.table = replace(
        shelf.table,
        thresholds=replace(shelf.table.thresholds, min_share_of_last=0.5, max_deleted_share=0.2),
    )
    as_relation(shelf, MATERIALISED.format("shelf"))
    put(base(shelf), 12)
    shelf.sql(REFRESH.format("shelf"))
    shelf.sync()
    before = shelf.published()
    shelf.sql("TRUNCATE base", REFRESH.format("shelf"))
    shelf.sync()
    (loaded, *_) = shelf.load(*DAYS)
    assert loaded.blocking == ["row_count_against_published"]
    found = shelf.reconcile(confirmed=False)
    assert found.repair
    assert "vanished from the source" in str(found.repair.mass_delete)
    assert shelf.published() == before

    shelf.sql(REFRESH.format("shelf") + " WITH NO DATA")
    with pytest.raises(SourceError, match=r"materialised view public\.shelf has no data"):
        shelf.sync()
    assert shelf.published() == before


def test_b4_what_cannot_be_guaranteed_stands_on_the_materialisation(shelf: Shelf) -> None:
    as_relation(shelf, MATERIALISED.format("shelf"))
    put(base(shelf), 3, days=1)
    shelf.sql(REFRESH.format("shelf"))
    (chunk, *_) = shelf.sync()
    for day in (*chunk.outcome.days, *shelf.load(FIRST_DAY)):
        shown = day_metadata(Catalog({}), day, total_rows=3)["not_guaranteed"]
        assert shown.value.startswith("- public.shelf is a materialised view")


def test_b4_rows_that_come_into_a_view_without_a_new_cursor_are_found_by_reconciliation(
    shelf: Shelf,
) -> None:
    as_relation(
        shelf,
        "CREATE TABLE shown (id bigint PRIMARY KEY)",
        "CREATE VIEW shelf AS SELECT base.* FROM base JOIN shown USING (id)",
        "INSERT INTO shown SELECT generate_series(1, 5)",
    )
    put(base(shelf), 10)
    shelf.sync()
    shelf.sql("INSERT INTO shown VALUES (7)", "DELETE FROM shown WHERE id = 2")
    shelf.sync()
    assert [row[0] for row in shelf.published()] == [1, 2, 3, 4, 5]
    assert shelf.reconcile().is_equal
    assert [row[0] for row in shelf.published()] == [1, 3, 4, 5, 7]


def test_b4_a_partitioned_table_gets_and_loses_partitions(shelf: Shelf) -> None:
    as_relation(
        shelf,
        f"CREATE TABLE shelf ({COLUMNS}, PRIMARY KEY (id, created_at)) "
        "PARTITION BY RANGE (created_at)",
        "CREATE TABLE early PARTITION OF shelf FOR VALUES FROM ('2024-05-01Z') TO ('2024-05-02Z')",
        "CREATE TABLE late PARTITION OF shelf FOR VALUES FROM ('2024-05-02Z') TO ('2024-06-01Z')",
    )
    put(shelf, 9)
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    shelf.sql("ALTER TABLE shelf DETACH PARTITION late")
    shelf.sync()
    shelf.reconcile()
    assert [row[0] for row in shelf.published()] == [1, 4, 7]
    shelf.sql(
        "ALTER TABLE shelf ATTACH PARTITION late FOR VALUES FROM ('2024-05-02Z') TO ('2024-06-01Z')"
    )
    assert shelf.reconcile().is_equal
    assert shelf.published() == shelf.wanted()


def with_child(shelf: Shelf, *, only: bool = False) -> None:
    """`shelf` with ten rows, and its child with five others."""
    assert isinstance(shelf.table.source, PostgresTable)
    shelf.table = replace(shelf.table, source=replace(shelf.table.source, only=only))
    shelf.sql("CREATE TABLE child (PRIMARY KEY (id)) INHERITS (shelf)")
    put(shelf, 10)
    put(replace(shelf, table=replace(shelf.table, name="child")), 5, first=11)


IN_CHILD = "INSERT INTO child SELECT 3, created_at, now(), 'other', 1 FROM ONLY shelf WHERE id = 3"
BOTH = [("unique_key", "postgres:public.shelf id=3")] * 2


def test_b6_the_whole_tree_is_read_by_default(shelf: Shelf) -> None:
    with_child(shelf)
    shelf.sync()
    assert [row[0] for row in shelf.published()] == list(range(1, 16))
    assert shelf.reconcile().is_equal
    shelf.reload(*DAYS)
    assert shelf.published() == shelf.wanted()


@pytest.mark.thorough_for("load", "reconcile")
@pytest.mark.parametrize("road", ["load", "sync", "reconcile"])
def test_b6_a_key_in_parent_and_child_is_set_aside_with_both_rows(shelf: Shelf, road: str) -> None:
    with_child(shelf)
    shelf.sync()
    shelf.sql(IN_CHILD)
    if road == "load":
        shelf.reload(*DAYS)
    elif road == "sync":
        shelf.sync()
    else:
        shelf.sql("UPDATE child SET updated_at = '2024-05-01Z' WHERE id = 3")
        shelf.sync()
        assert not set_aside(shelf)
        shelf.reconcile()
    for _ in range(2):  # and all roads agree afterwards
        assert set_aside(shelf) == BOTH
        assert [row[0] for row in shelf.published()] == [1, 2, *range(4, 16)]
        assert shelf.reconcile().is_equal
        shelf.sync()
        shelf.reload(*DAYS)
    shelf.sql("DELETE FROM ONLY shelf WHERE id = 3")
    shelf.reconcile()
    assert shelf.published() == shelf.wanted()
    assert not set_aside(shelf)


@pytest.mark.thorough
def test_b6_a_key_in_two_children_on_two_days_is_set_aside_too(shelf: Shelf) -> None:
    with_child(shelf)
    shelf.sql(
        "CREATE TABLE grandchild () INHERITS (child)",
        "INSERT INTO grandchild SELECT id, created_at + interval '1 day', now(), v, 1 FROM child "
        "WHERE id IN (12, 13)",
    )
    shelf.sync()
    assert len(set_aside(shelf)) == 4
    assert [row[0] for row in shelf.published()] == [*range(1, 12), 14, 15]
    assert shelf.reconcile().is_equal


@pytest.mark.thorough
def test_b6_only_reads_the_parent_s_own_rows_on_every_road(shelf: Shelf) -> None:
    with_child(shelf, only=True)
    shelf.sql(IN_CHILD)
    shelf.sync()
    own = shelf.sql("SELECT id FROM ONLY shelf ORDER BY id")
    assert [(row[0],) for row in shelf.published()] == own
    assert not set_aside(shelf)
    with shelf.source().open() as snapshot:
        assert snapshot.key_is_unique  # which the parent's index proves of its own rows
        assert snapshot.by_keys(pl.DataFrame({"id": [3, 11]})).rows == 1
        assert not snapshot.limits()
    shelf.sql("DELETE FROM ONLY shelf WHERE id = 4", "UPDATE child SET v = 'x'")
    found = shelf.reconcile()
    assert (found.differences.count, found.is_equal) == (1, True)
    shelf.reload(*DAYS)
    assert [row[0] for row in shelf.published()] == [1, 2, 3, *range(5, 11)]


def test_b6_only_of_a_partitioned_table_is_refused(shelf: Shelf) -> None:
    as_relation(shelf, f"CREATE TABLE shelf ({COLUMNS}) PARTITION BY RANGE (id)")
    assert isinstance(shelf.table.source, PostgresTable)
    shelf.table = replace(shelf.table, source=replace(shelf.table.source, only=True))
    with pytest.raises(SourceError, match="is partitioned, so it has no rows of its own") as raised:
        shelf.sync()
    assert "Take only=True out" in raised.value.next_step


def test_b7_a_key_is_shown_whole_where_the_table_s_name_has_spaces(shelf: Shelf) -> None:
    assert isinstance(shelf.table.source, PostgresTable)
    shelf.sql('ALTER TABLE shelf RENAME TO "the shelf"')
    shelf.table = replace(shelf.table, source=replace(shelf.table.source, table="the shelf"))
    shelf.sql(
        """INSERT INTO "the shelf" VALUES (7, '2024-05-01Z', now(), 'v', 'NaN'),
        (8, '2024-05-01Z', now(), 'v', 1)"""
    )
    (chunk,) = shelf.sync()
    (day,) = chunk.outcome.days
    (rules,) = [r.evidence for r in day.results if r.check.name == "value_rules"]
    (broken,) = rules["broken_rules"]
    assert (broken["rule"], broken["sample_keys"]) == ("amount: representable", "id=7")
    assert set_aside(shelf) == [("amount: representable", "postgres:public.the shelf id=7")]
