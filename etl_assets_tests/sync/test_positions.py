"""The watermark (L6): missing, damaged, in the future, set back while a sync is under way."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from etl_assets.core.errors import ConfigError, LostTurn, StateError
from etl_assets.core.position import Position
from etl_assets.core.scope import Scope
from etl_assets.core.state import Happening, TableState
from etl_assets.pipeline.rewind import rewind
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put


def own(shelf: Shelf) -> TableState:
    row = shelf.warehouse.table_state(shelf.table)
    assert row is not None
    return row


def tamper(shelf: Shelf, **changes: object) -> None:
    row = own(shelf)
    shelf.warehouse.move(replace(row, **changes), row.load_id, [])  # type: ignore[arg-type]


def reasons(shelf: Shelf) -> list[tuple[str, int]]:
    """Why the position moved, and how many rows were read for it, oldest first."""
    entries = shelf.warehouse.history(shelf.table, Happening.WATERMARK)
    told = [json.loads(entry.payload) for entry in reversed(entries)]
    return [(entry["why"], entry["rows"]) for entry in told]


def moment_of(shelf: Shelf, key: int) -> datetime:
    moment: datetime = shelf.sql(f"SELECT updated_at FROM shelf WHERE id = {key}")[0][0]
    return moment


def test_l6_without_a_watermark_every_row_is_read_and_nothing_is_doubled(shelf: Shelf) -> None:
    put(shelf, 9)
    shelf.sync()
    loads = [state.load_id for state in shelf.warehouse.state(shelf.table)]
    tamper(shelf, high_watermark=None, watermark_key=None)
    shelf.sql("UPDATE shelf SET v = 'silent' WHERE id = 5")
    chunks = shelf.sync()
    assert sum(chunk.rows for chunk in chunks) == 9
    assert sum(chunk.outcome.changed for chunk in chunks) == 1
    assert shelf.published() == shelf.wanted()
    after = [state.load_id for state in shelf.warehouse.state(shelf.table)]
    assert [one == other for one, other in zip(loads, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize("text", ["{", "[7]", '["7", "8"]'])
def test_l6_a_damaged_watermark_fails_closed_and_can_be_set_back(shelf: Shelf, text: str) -> None:
    put(shelf, 3)
    shelf.sync()
    tamper(shelf, watermark_key=text)
    shelf.sql("UPDATE shelf SET v = 'x', updated_at = now()")
    before = shelf.published()
    for work in (shelf.sync, shelf.reconcile):
        with pytest.raises(StateError, match=r"raw/shelf .*damaged.*state rewind raw/shelf --to"):
            work()
    assert shelf.published() == before
    rewind(shelf.warehouse, shelf.table, None)
    shelf.sync()
    assert shelf.published() == shelf.wanted()


def test_l6_a_watermark_in_the_future_fails_closed(shelf: Shelf) -> None:
    put(shelf, 3)
    shelf.sync()
    true = own(shelf).high_watermark
    assert true is not None
    tamper(shelf, high_watermark=true + timedelta(days=365))
    shelf.sql("UPDATE shelf SET v = 'x', updated_at = now()")
    before = shelf.published()
    with pytest.raises(StateError, match=r"later than the source's clock"):
        shelf.sync()
    assert shelf.published() == before
    rewind(shelf.warehouse, shelf.table, true)
    shelf.sync()
    assert shelf.published() == shelf.wanted()


def test_l6_a_watermark_that_is_set_back_reads_again_and_its_history_is_kept(shelf: Shelf) -> None:
    for key in (1, 2, 3):
        put(shelf, 1, first=key)
    shelf.sync()
    with pytest.raises(ConfigError, match="not before it"):
        rewind(shelf.warehouse, shelf.table, own(shelf).high_watermark)
    rewind(shelf.warehouse, shelf.table, moment_of(shelf, 1))
    shelf.sync()
    assert reasons(shelf) == [("sync", 3), ("set back by hand", 0), ("sync", 2)]
    assert shelf.published() == shelf.wanted()


def test_l6_setting_back_loses_to_a_publication_that_came_in_between(shelf: Shelf) -> None:
    put(shelf, 3)
    shelf.sync()
    before = own(shelf)
    look = shelf.warehouse.table_state
    shelf.sql("UPDATE shelf SET updated_at = now(), v = 'between'")

    def overtaken(table: object) -> TableState:
        del shelf.warehouse.table_state
        shelf.sync()
        return before

    shelf.warehouse.table_state = overtaken  # type: ignore[method-assign]
    with pytest.raises(LostTurn, match="raw/shelf"):
        rewind(shelf.warehouse, shelf.table, None)
    assert shelf.warehouse.table_state == look
    assert own(shelf).high_watermark != before.high_watermark
    assert [why for why, _ in reasons(shelf)] == ["sync", "sync"]


@pytest.mark.parametrize("whole", [True, False])
def test_l6_a_sync_under_way_starts_over_where_it_was_set_back_to(
    shelf: Shelf, whole: bool
) -> None:
    put(shelf, 20, stamp="'2024-05-17Z'::timestamptz + n * interval '1 second'")
    chunks = shelf.chunks()
    next(chunks)
    next(chunks)
    shelf.sql("UPDATE shelf SET v = 'silent' WHERE id <= 5")
    rewind(shelf.warehouse, shelf.table, None if whole else moment_of(shelf, 2))
    list(chunks)
    changed = {row[0] for row in shelf.published() if row[3] == "silent"}
    assert changed == ({1, 2, 3, 4, 5} if whole else {3, 4, 5})
    assert len(shelf.published()) == 20


def test_rows_that_were_passed_over_are_read_once_the_platform_has_their_days(
    shelf: Shelf,
) -> None:
    short = replace(shelf, scope=Scope(FIRST_DAY, FIRST_DAY + timedelta(days=1)))
    put(shelf, 9)
    assert sum(chunk.outcome.outside for chunk in short.sync()) == 3
    assert len(short.published()) == 6
    assert [chunk.rows for chunk in short.sync()] == [0], "nothing is read twice for it"

    longer = replace(shelf, scope=Scope(FIRST_DAY, FIRST_DAY + timedelta(days=2)))
    assert sum(chunk.outcome.changed for chunk in longer.sync()) == 3
    assert longer.published() == longer.wanted()
    assert "days were added" in dict(reasons(shelf))
    assert [chunk.rows for chunk in longer.sync()] == [0]


def test_l6_a_damaged_watermark_cannot_be_set_forward_either(shelf: Shelf) -> None:
    put(shelf, 3)
    shelf.sync()
    tamper(shelf, watermark_key="rubbish")
    stood = own(shelf).high_watermark
    assert stood is not None
    with pytest.raises(ConfigError, match="not before it"):
        rewind(shelf.warehouse, shelf.table, stood + timedelta(days=1))
    assert rewind(shelf.warehouse, shelf.table, stood - timedelta(days=1)) == Position(stood)
