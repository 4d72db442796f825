"""`plan` foresees what loads then do: on many kinds of changes, in every warehouse."""

from pathlib import Path

import pytest

from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Thresholds
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.planned.conftest import Built
from etl_assets_tests.planned.foreseeing import Before, assert_it_happened, planned
from etl_assets_tests.planned.kinds import KINDS, SHOP, doubled
from etl_assets_tests.planned.physical import everything
from etl_assets_tests.planned.world import DAYS, REQUIRED, changed

IN_EVERY_WAREHOUSE = "a column added to orders alone"
"""The others are of DuckDB alone, and of all warehouses in the soak."""
QUICKLY = ("nothing", "a column added through both layers", "a rule changed", "the key changed")
"""What the default run has of them; `make thorough` has the others."""


@pytest.mark.thorough_but(*(f"duckdb-{kind}]" for kind in QUICKLY))
@pytest.mark.soak_for("bigquery", "postgres")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.share] if kind == IN_EVERY_WAREHOUSE else [])
        for kind in KINDS
    ],
)
def test_a_plan_is_what_then_happens(
    load: Built, backend: Backend, tmp_path: Path, kind: str
) -> None:
    case = KINDS[kind]
    world = load(case.before)
    before = Before.of(world, backend, tmp_path)

    world = world.with_code(case.after, **case.settings)
    plans = planned(world)
    impacts = [str(change.impact) for one in plans.values() for change in one.changes or ()]
    assert sorted(impacts) == sorted(case.impacts)
    refused = {path for path, one in plans.items() if one.refused}
    assert refused == {*case.refused, *case.refused_on.get(backend.name, ())}

    world.load_all()
    assert_it_happened(plans, world, backend, tmp_path, before)
    assert {p for p, one in plans.items() if not one.is_declared} == (
        {"enriched/totals"}
        if "totals" in case.after.without and case.before is not case.after
        else set()
    )
    sizes = [one.reading.bytes for one in plans.values() if one.makes]
    assert all((size is not None) is (backend.name == "bigquery") for size in sizes)


@pytest.mark.thorough
@pytest.mark.soak_for("bigquery", "postgres")
def test_planning_changes_nothing(build: Built, backend: Backend, tmp_path: Path) -> None:
    world = build(KINDS["a column added through both layers"].before)
    nothing = everything(backend, tmp_path)
    assert all(one.creates for one in planned(world).values())
    assert everything(backend, tmp_path) == nothing, "a warehouse that is not there yet"
    world.load_all()
    there = everything(backend, tmp_path)
    assert there != nothing
    for name in (
        "a required column of the source added",
        "a type widened",
        "the partition column changed",
        "a tracked column of a dimension added",
        "days added",
    ):
        other = world.with_code(KINDS[name].after, **KINDS[name].settings)
        planned(other)
    assert everything(backend, tmp_path) == there


@pytest.mark.soak_for("bigquery", "postgres")
def test_a_cursor_that_changed_reads_every_row_and_a_dimension_says_when_it_is_rebuilt(
    load: Built,
) -> None:
    case = KINDS["the cursor changed"]
    world = load(case.before)
    (told,) = [one for one in planned(world.with_code(case.after)).values() if one.reads_all]
    assert (told.table, told.reads_all) == ("raw/orders", "the table has another cursor")
    assert told.reading.rows == 9


@pytest.mark.soak_for("postgres")
@pytest.mark.parametrize("backend", ["duckdb", "postgres"], indirect=True)
def test_a_table_without_a_declaration_says_so(
    load: Built, backend: Backend, tmp_path: Path
) -> None:
    world = load()
    world.platform.close()
    backend.run(tmp_path, "UPDATE etl.etl_tables SET declaration = NULL")
    told = planned(world)["raw/orders"]
    assert told.changes is None
    assert not told.does_something
    assert "An earlier release published it last" in " ".join(told.sentences())
    # One of which every load was refused has a row as well, and no release published it.
    world.platform.close()
    backend.run(tmp_path, "DELETE FROM etl.etl_state WHERE table_name = 'raw/orders'")
    told = planned(world)["raw/orders"]
    assert told.changes == ()
    assert "earlier release" not in " ".join(told.sentences())


@pytest.mark.thorough
@pytest.mark.soak_for("bigquery", "postgres")
def test_days_of_other_code_are_named_until_the_code_at_hand_made_each(load: Built) -> None:
    """The table's last publication is of the code at hand as soon as one of its days is."""
    world = load().with_code(changed(SHOP, stage=doubled))
    told = planned(world)["staged/orders"]
    assert (told.of_other_code, len(told.changes or ())) == (DAYS, 1)

    staged = world.platform.catalog["staged/orders"]
    world.make(staged, DAYS[1:2])
    assert world.derive() == {}
    told = planned(world)["staged/orders"]
    assert (told.of_other_code, told.changes, told.does_something) == ([DAYS[0], DAYS[2]], [], True)
    assert told.sentences() == [
        "2 days (2024-01-01, 2024-01-03) were made by other code than that at hand, and nothing "
        "makes them again by itself: etl-assets backfill staged/orders --from 2024-01-01 --to "
        "2024-01-03."
    ]
    dev = world.with_code(changed(SHOP, stage=doubled), environment="dev")
    dev.make(staged, DAYS[:1])
    told = planned(dev)["staged/orders"]
    assert told.of_other_code == DAYS[2:], "of production's days, too"

    world = dev.with_code(changed(SHOP, stage=doubled))
    world.make(staged, [DAYS[0], DAYS[2]])
    assert world.derive() == {}
    assert not any(one.does_something for one in planned(world).values())


@pytest.mark.soak_for("bigquery", "postgres")
def test_what_was_refused_before_it_was_ever_published_does_not_come_out_as_it_was(
    build: Built,
) -> None:
    strict = Thresholds(max_bad_share=0.0)
    shop = changed(
        SHOP,
        raw_options={"id": REQUIRED, "amount": {"nullable": False, "ge": 1000}},
        orders={"thresholds": strict},
        without=["customers", "dim_customers", "countries"],
    )
    world = build(shop)
    world.load_all()
    plans = planned(world)
    days = "3 days (2024-01-01 to 2024-01-03)"
    for path, told in {
        "raw/orders": f"Of these only if nothing refuses them any more: {days}.",
        "staged/orders": f"Of these only if what they are made of is loaded: {days}.",
        "enriched/totals": "Of these only if what they are made of is loaded: all of it.",
    }.items():
        assert told in plans[path].sentences()
        assert "as it was" not in " ".join(plans[path].sentences())


@pytest.mark.soak_for("bigquery", "postgres")
def test_rows_to_read_again_are_those_of_the_inputs_each_once(load: Built) -> None:
    case = KINDS["a column added through both layers"]
    world = load(case.before)
    plans = planned(world.with_code(case.after))
    assert plans["raw/orders"].reading.rows == 9
    assert plans["staged/orders"].reading.rows == 9
    assert plans["enriched/totals"].makes.keys() == {WHOLE}
