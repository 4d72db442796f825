"""A dimension on each warehouse: by the keys that changed, the same as from nothing."""

from datetime import timedelta

import polars as pl
import pytest

from etl_assets.core.as_of import UNKNOWN
from etl_assets_tests.dimensions import oracle
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import World

pytestmark = [pytest.mark.thorough_for("bigquery"), pytest.mark.soak_for("bigquery")]

FIRST = [Change(1, 0, "x", 1), Change(2, 1, "y", 1), Change(1, 30, "z", 2)]
LATER = [Change(1, 54, "x", 3), Change(3, 55, "n", 1), Change(2, 56, None, None, gone=True)]


def test_s1_the_second_run_reads_the_keys_that_changed_and_equals_a_rebuild(world: World) -> None:
    world.arrive(FIRST)
    first = world.build()
    assert (first.whole, first.keys, first.coming, first.leaving) == (True, 2, 4, 0)
    assert set(world.versions()) == oracle.versions(FIRST)
    many = [Change(key, 2, "m", 1) for key in range(10, 40)]
    world.arrive(many)
    world.build()
    world.arrive(LATER)
    second = world.build()
    assert (second.whole, second.keys) == (False, 3)
    expected = oracle.versions([*FIRST, *many, *LATER])
    assert set(world.versions()) == expected
    assert len(world.versions()) == len(expected)
    assert world.whole(world.catalog["enriched/dim_things"]) == len(expected) + 1


def test_a_run_with_nothing_new_publishes_nothing(world: World) -> None:
    world.arrive(FIRST)
    world.build()
    before = world.warehouse.table_state(world.catalog["enriched/dim_things"])
    again = world.build()
    assert again.committed is not None
    assert again.committed.same
    assert world.warehouse.table_state(world.catalog["enriched/dim_things"]) == before
    assert [one.table for one in world.late()] == []


def test_the_unknown_member_is_there_once_with_the_values_of_the_spec(world: World) -> None:
    world.arrive(FIRST)
    world.build()
    world.arrive(LATER)
    world.build()
    (row,) = world.rows("enriched/dim_things").filter(pl.col("thing_sk") == UNKNOWN).to_dicts()
    assert (row["id"], row["a"], row["b"]) == (None, "unknown", None)
    assert (row["valid_to"], row["is_current"]) == (None, True)


@pytest.mark.share
def test_early_facts_are_made_again_on_exactly_their_days_when_the_version_arrives(
    world: World,
) -> None:
    days = [moment(0).date() + timedelta(days=n) for n in range(4)]
    world.arrive([Change(1, 0, "x", 1)])
    world.build()
    for number, day in enumerate(days):
        noon = moment(24 * number + 12)
        world.sell(day, [(number, 1, noon), (10 + number, 5 if number % 2 else None, noon)])
    world.make(days)
    facts = world.rows("enriched/fact_sales")
    assert facts.filter(pl.col("thing_sk") == UNKNOWN).height == 4
    assert world.late() == []
    world.arrive([Change(5, 40, "late", 1)])  # on the second day, after its noon
    run = world.build()
    assert run.marks == {"enriched/fact_sales": {days[3]}}
    assert world.make_late() == [days[3]]
    assert world.facts_are_right()
    assert world.late() == []


def test_s1_a_late_change_that_splits_a_version_makes_its_days_late_and_no_other(
    world: World,
) -> None:
    days = [moment(0).date() + timedelta(days=n) for n in range(4)]
    world.arrive([Change(1, 0, "x", 1), Change(2, 0, "q", 1)])
    world.build()
    for number, day in enumerate(days):
        world.sell(
            day, [(number, 1, moment(24 * number + 12)), (9 + number, 2, moment(24 * number))]
        )
    world.make(days)
    world.arrive([Change(1, 30, "s", 1), Change(1, 50, "x", 1)])
    # From hour 30 to 50 another version holds, then one again with the old values.
    assert world.build().marks == {"enriched/fact_sales": set(days[1:])}
    assert world.make_late() == days[1:]
    assert world.facts_are_right()


@pytest.mark.share
def test_changes_that_break_the_contract_are_set_aside_and_leave_no_gap(world: World) -> None:
    world.arrive([Change(1, 0, "x", 1), Change(1, 5, "bad", 1), Change(1, 9, "y", 1)])
    run = world.build()
    assert run.loaded is not None
    assert run.loaded.quarantined == 1
    assert [(v.a, v.since, v.until) for v in sorted(world.versions(), key=lambda v: v.since)] == [
        ("x", 0, 9),
        ("y", 9, None),
    ]
    table = world.catalog["enriched/dim_things"]
    (aside,) = world.warehouse.quarantined(table).to_dicts()
    assert aside["source_position"].startswith("raw/things_versions id=1 at 2026-01-01 05:00")
    world.arrive([Change(1, 40, "z", 1), *(Change(key, 41, "m", 1) for key in (7, 8))])
    world.build()
    assert world.warehouse.quarantined(table).height == 1
    (state,) = world.warehouse.state(table)
    assert state.quarantined_count == 1
