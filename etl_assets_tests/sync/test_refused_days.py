"""Days that a check refuses: left out, and loaded whole by each later sync until they are good."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from etl_assets.core.policies import Thresholds
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.run_days import Reloaded, reload
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.publication import JobCost, Publication
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put

BAD = "UPDATE shelf SET amount = 'NaN', updated_at = now() WHERE id = {}"
GOOD = "UPDATE shelf SET amount = 1, updated_at = now() WHERE id = {}"
DAYS = [FIRST_DAY + timedelta(days=n) for n in range(3)]


@pytest.fixture
def strict(shelf: Shelf) -> Shelf:
    """Nine rows on three days, synced; a single bad row refuses its day from now on."""
    thresholds = replace(Thresholds(), max_bad_share=0.0, min_share_of_last=0.0)
    shelf = replace(shelf, table=replace(shelf.table, thresholds=thresholds))
    put(shelf, 9)
    shelf.sync()
    return shelf


def waiting(shelf: Shelf) -> list[date]:
    """The days that must be loaded whole."""
    state = shelf.warehouse.table_state(shelf.table)
    return sorted(state.reload_reasons) if state else []


def ids(shelf: Shelf) -> dict[int, int]:
    """The day of the month that each key is published on; fails where one is there twice."""
    rows = shelf.published()
    days = {row[0]: row[1].day for row in rows}
    assert len(days) == len(rows), "a row is there twice"
    return days


def test_a_refused_day_is_left_out_and_waits_while_all_others_go_on(strict: Shelf) -> None:
    strict.sql(BAD.format(1), "UPDATE shelf SET v = 'x', updated_at = now() WHERE id IN (2, 3, 4)")
    before = strict.published()
    (chunk,) = strict.chunks()
    assert [day.day for day in chunk.outcome.days] == DAYS[1:]
    assert [day.day for day in chunk.outcome.refused] == DAYS[:1]
    assert chunk.outcome.reload == {DAYS[0]: "refused by value_rules"}
    assert waiting(strict) == DAYS[:1]
    after = strict.published()
    assert [row for row in after if row[1].day == 1] == [row for row in before if row[1].day == 1]
    assert {row[0] for row in after if row[3] == "x"} == {2, 3}
    assert strict.warehouse.quarantined(strict.table).is_empty()

    told = strict.load_waiting()
    assert [day.day for day in told.refused] == DAYS[:1]
    assert isinstance(told.refused[0], LoadedDay)
    assert [str(r.check.name) for r in told.refused[0].results if r.blocks] == ["value_rules"]
    strict.sync()
    assert waiting(strict) == DAYS[:1], "it waits until it is good"

    strict.sql("UPDATE shelf SET amount = 1 WHERE id = 1")  # mended behind the cursor's back
    assert strict.sync()[0].rows == 0
    assert waiting(strict) == []
    assert strict.published() == strict.wanted()
    assert strict.load_waiting() == Reloaded()


def test_a_day_waits_although_its_run_dies_right_after_the_position_moved(strict: Shelf) -> None:
    strict.sql(BAD.format(1), "UPDATE shelf SET v = 'x', updated_at = now() WHERE id = 4")
    next(strict.chunks())
    strict.sql("UPDATE shelf SET amount = 1 WHERE id = 1")
    strict.sync()
    assert strict.published() == strict.wanted()
    assert strict.published()[3][3] == "x"


@pytest.mark.thorough
def test_the_changes_of_a_waiting_day_that_come_later_are_not_lost_either(strict: Shelf) -> None:
    strict.sql(BAD.format(1))
    strict.sync()
    strict.sql("UPDATE shelf SET v = 'later', updated_at = now() WHERE id = 4", BAD.format(2))
    before = strict.published()
    (chunk,) = strict.sync()
    assert chunk.outcome.days == [], "the changes of a day that waits wait as well (R2)"
    assert strict.published() == before
    assert waiting(strict) == DAYS[:2]
    strict.sql(GOOD.format(1))
    strict.sync()
    assert waiting(strict) == [DAYS[1]]
    strict.sql(GOOD.format(2))
    strict.sync()
    assert waiting(strict) == []
    assert strict.published() == strict.wanted()


@pytest.mark.thorough_but("for its sake")
@pytest.mark.parametrize("bad", [4, 5, 1], ids=["the old", "the new", "the new, for its sake"])
def test_a_row_that_moves_between_a_refused_and_a_good_day_is_neither_lost_nor_doubled(
    strict: Shelf, bad: int
) -> None:
    """Row 1 goes from day 1 to day 2, of which one is refused for the bad row."""
    strict.sql(
        BAD.format(bad),
        "UPDATE shelf SET created_at = '2024-05-02Z', updated_at = now() WHERE id = 1",
        "UPDATE shelf SET v = 'x', updated_at = now() WHERE id = 3",
    )
    (chunk,) = strict.chunks()
    assert chunk.outcome.reload.keys() == set(DAYS[:2])
    assert set(ids(strict)) == set(range(1, 10))
    assert strict.published()[2][3] == "x"
    strict.sync()
    assert set(ids(strict)) == set(range(1, 10))
    strict.sync()
    assert set(ids(strict)) == set(range(1, 10))
    strict.sql(GOOD.format(bad))
    strict.sync()
    strict.sync()
    assert waiting(strict) == []
    assert strict.published() == strict.wanted()
    assert ids(strict)[1] == 2


@pytest.mark.thorough
def test_a_day_that_a_row_has_left_for_a_day_that_waits_for_a_refused_one_waits_too(
    strict: Shelf,
) -> None:
    """Row 2 goes from day 2 to day 3, which is refused; then row 1 goes from day 1 to day 2."""
    move = "UPDATE shelf SET created_at = '2024-05-0{}Z', updated_at = now() WHERE id = {}"
    strict.sql(BAD.format(3), move.format(3, 2))
    strict.sync()
    assert waiting(strict) == DAYS[1:]
    strict.sql(move.format(2, 1))
    strict.sync()
    strict.sync()
    assert waiting(strict) == DAYS
    assert ids(strict) == {n: (n - 1) % 3 + 1 for n in range(1, 10)}, "all rows are where they were"
    strict.sql(GOOD.format(3))
    strict.sync()
    assert waiting(strict) == []
    assert strict.published() == strict.wanted()
    assert (ids(strict)[1], ids(strict)[2]) == (2, 3)


def test_a_repair_that_a_check_refuses_makes_its_day_wait_as_well(strict: Shelf) -> None:
    strict.sql("UPDATE shelf SET amount = 'NaN' WHERE id = 1", "UPDATE shelf SET v = 'x'")
    found = strict.reconcile()
    assert not found.is_equal
    assert waiting(strict) == DAYS[:1]
    verified = [state.verified_through for state in strict.warehouse.state(strict.table)]
    assert [moment is None for moment in verified] == [True, False, False]
    strict.sql("UPDATE shelf SET amount = 1 WHERE id = 1")
    strict.sync()
    assert strict.published() == strict.wanted()


def test_a_day_that_another_sync_owes_while_this_one_settles_stays_waiting(strict: Shelf) -> None:
    strict.sql(BAD.format(1))
    list(strict.chunks())
    strict.sql("UPDATE shelf SET amount = 1 WHERE id = 1")
    source = strict.source()

    with reader_of(strict.url) as reader:
        other = replace(strict, reader=reader)
        opening, opened = source.open, []

        def overtaken():  # type: ignore[no-untyped-def]
            opened.append(1)
            if len(opened) == 1:
                strict.sql(
                    BAD.format(2),
                    "UPDATE shelf SET v = 'x', updated_at = now() - interval '1 us' WHERE id = 5",
                )
                list(other.chunks())
            return opening()

        source.open = overtaken  # type: ignore[method-assign]
        reload(strict.table, source, strict.warehouse, strict.folder / "s", "reload")
    assert DAYS[1] in waiting(strict)
    strict.sql("UPDATE shelf SET amount = 1 WHERE id = 2")
    strict.sync()
    assert waiting(strict) == []
    assert strict.published() == strict.wanted()


def test_l5_a_waiting_day_that_another_run_publishes_first_is_looked_at_again(
    strict: Shelf,
) -> None:
    strict.sql(BAD.format(1))
    list(strict.chunks())
    strict.sql("UPDATE shelf SET amount = 1 WHERE id = 1")
    slow = replace(strict, warehouse=DuckDBWarehouse(strict.folder / "w.duckdb"))
    turns = []

    def overtaken(publication: Publication) -> Sequence[JobCost]:
        turns.append(publication)
        strict.sync()
        return strict.warehouse.publish(publication)

    slow.warehouse.publish = overtaken  # type: ignore[method-assign]
    assert slow.load_waiting() == Reloaded()
    assert len(turns) == 1
    assert waiting(strict) == []
    assert strict.published() == strict.wanted()


def test_a_refused_day_does_not_keep_a_reconciliation_from_the_others(strict: Shelf) -> None:
    strict.sql(BAD.format(1))
    list(strict.chunks())
    strict.sql("DELETE FROM shelf WHERE id = 2", "UPDATE shelf SET v = 'silent' WHERE id = 3")
    found = strict.reconcile()
    assert found.repair is not None
    assert [day.day for day in found.repair.outcome.refused] == []
    assert not found.is_equal
    assert ids(strict).keys() == {1, 3, 4, 5, 6, 7, 8, 9}
    states = {s.partition_key: s.verified_through for s in strict.warehouse.state(strict.table)}
    assert states[DAYS[0]] is None
    assert states[DAYS[1]] == states[DAYS[2]] == found.verified_through


@pytest.mark.timeout(25)
def test_a_day_that_only_loses_its_quarantine_can_be_refused_as_well(shelf: Shelf) -> None:
    # Its checks were tightened since: another row in quarantine is one too many now.
    put(shelf, 9)
    shelf.sql(BAD.format(1), BAD.format(4))
    shelf.sync()
    thresholds = replace(shelf.table.thresholds, max_bad_share=0.1)
    shelf = replace(shelf, table=replace(shelf.table, thresholds=thresholds))
    shelf.sql(
        f"UPDATE shelf SET amount = 1, created_at = '{DAYS[1]} 12:00Z', updated_at = now() "
        "WHERE id = 1"
    )
    (chunk,) = shelf.chunks()
    assert [day.day for day in chunk.outcome.refused] == DAYS[:1]
    assert ids(shelf)[1] == DAYS[1].day
    assert waiting(shelf) == DAYS[:1]

    shelf.sql(GOOD.format(4))
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert shelf.warehouse.quarantined(shelf.table).is_empty()
    assert waiting(shelf) == []
