"""No change of a dimension passes a day of facts by, whoever is killed and whoever is first."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.derive import DerivedSource, read_upstream
from etl_assets.pipeline.dimensions import settling
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import SPECS, World

DAYS = [moment(0).date() + timedelta(days=n) for n in range(3)]


@pytest.fixture
def star(tmp_path: Path) -> World:
    """Three days of sales of two things, made with a version each."""
    world = World(DuckDBWarehouse(tmp_path / "w.duckdb"), tmp_path / "spool")
    world.arrive([Change(1, 0, "x", 1), Change(2, 0, "y", 1)])
    world.build()
    for number, day in enumerate(DAYS):
        noon = moment(24 * number + 12)
        world.sell(day, [(number, 1, noon), (10 + number, 2, noon)])
    world.make(DAYS)
    assert world.late() == []
    return world


def test_a_run_that_was_killed_before_its_marks_makes_the_next_one_mark_every_day(
    star: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: Any) -> set[Any]:
        raise KeyboardInterrupt

    star.arrive([Change(1, 30, "z", 1)])
    with monkeypatch.context() as patched:
        patched.setattr(settling, "days_that_differ", killed)
        with pytest.raises(KeyboardInterrupt):
            star.build()
    # The versions are published, and until the marks are the dimension counts as late.
    assert [one.table for one in star.late()] == ["enriched/dim_things"]
    run = star.build()
    assert run.marks == {"enriched/fact_sales": set(DAYS)}
    assert star.make_late() == DAYS
    assert star.facts_are_right()
    assert star.late() == []


def test_a_day_that_read_the_dimension_before_a_change_is_late_after_it(star: World) -> None:
    table = star.catalog["enriched/fact_sales"]
    upstream = {
        name: read_upstream(
            star.warehouse, above, table.inputs[name], [DAYS[1]], star.spool(), reader=table
        )
        for name, above in star.catalog.inputs_of(table).items()
    }
    star.arrive([Change(1, 30, "z", 1)])
    assert star.build().marks == {"enriched/fact_sales": {DAYS[1], DAYS[2]}}
    source = DerivedSource(table, upstream)
    published = published_counts(star.warehouse, table)
    (day,) = load_days(table, source, [DAYS[1]], published, star.spool(), "slow")
    assert isinstance(day, LoadedDay)
    publish_days(star.warehouse, table, [day], "slow")
    assert not star.facts_are_right()
    assert star.make_late() == [DAYS[1], DAYS[2]]
    assert star.facts_are_right()


def test_facts_that_arrive_after_a_change_see_it_without_a_mark(star: World) -> None:
    star.arrive([Change(1, 30, "z", 1)])
    star.build()
    star.make_late()
    star.sell(DAYS[1], [(1, 1, moment(36)), (11, 2, moment(36)), (21, 1, moment(37))])
    assert star.make_late() == [DAYS[1]]
    assert star.facts_are_right()


@pytest.mark.thorough
def test_a_change_of_a_value_that_no_fact_takes_makes_no_day_late(star: World) -> None:
    star.arrive([Change(1, 30, "x", 99)])  # not tracked, and not taken
    run = star.build()
    assert (run.coming, run.leaving) == (1, 1)
    assert run.marks == {"enriched/fact_sales": set()}
    assert star.late() == []


@pytest.mark.thorough
def test_another_unknown_member_takes_the_place_of_the_old_one_and_every_day_sees_it(
    star: World,
) -> None:
    star.sell(DAYS[2], [(2, 1, moment(60)), (12, 7, moment(60))])  # nobody knows 7
    star.make_late()
    specs = [replace(s, unknown={"a": "nobody"}) if s.name == "dim_things" else s for s in SPECS]  # type: ignore[type-var]
    star.catalog = Catalog.of(specs)
    assert star.build().marks == {"enriched/fact_sales": set(DAYS)}
    (unknown,) = star.rows("enriched/dim_things").filter(pl.col("thing_sk") == 0).to_dicts()
    assert unknown["a"] == "nobody"
    star.make_late()
    facts = star.rows("enriched/fact_sales")
    assert facts.filter(pl.col("thing_sk") == 0)["a"].to_list() == ["nobody"]
    assert star.late() == []
