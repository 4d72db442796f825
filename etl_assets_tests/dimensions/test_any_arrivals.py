"""Whole roads at random: versions arrive, facts arrive, runs come in between; all ends up right."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets.core.catalog import Catalog
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.dimensions import oracle
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import SPECS, World, dimension

AGAIN = "enriched/dim_again"
CHANGE = st.builds(
    Change,
    st.integers(1, 4),
    st.integers(0, 71),
    st.sampled_from([None, "x", "y"]),
    st.integers(1, 2),
    st.booleans() | st.just(value=False),
)
ARRIVAL = st.lists(CHANGE, min_size=1, max_size=4, unique_by=lambda change: (change.id, change.at))
SALES = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 23)), max_size=4)
STEPS = st.lists(st.tuples(ARRIVAL, st.integers(0, 2), SALES), min_size=1, max_size=4)
Step = tuple[list[Change], int, list[tuple[int, int]]]


def play(steps: Sequence[Step]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="star-"))
    catalog = Catalog.of([*SPECS, dimension("dim_again")])
    world = World(DuckDBWarehouse(folder / "w.duckdb"), folder / "spool", catalog)
    seen: dict[tuple[int | None, int], Change] = {}
    try:
        for number, (changes, day, sales) in enumerate(steps):
            # A version that was seen is never another one: key and cursor tell it.
            fresh = [change for change in changes if (change.id, change.at) not in seen]
            seen |= {(change.id, change.at): change for change in fresh}
            if fresh:
                world.arrive(fresh)
            world.build()
            first = moment(24 * day).date()
            rows = [
                (1000 * number + n, who, moment(24 * day + hour))
                for n, (who, hour) in enumerate(sales)
            ]
            world.sell(first, rows)
            world.make_late()
        assert world.facts_are_right()
        assert [one for one in world.late() if one.table != AGAIN] == []
        found = world.versions()
        assert len(found) == len(set(found))
        assert set(found) == oracle.versions(list(seen.values()))
        world.build(AGAIN)  # from nothing
        assert set(world.versions(AGAIN)) == set(found)
        same = ["thing_sk", "row_digest"]
        one, other = (world.rows(path).select(same).sort(same) for path in (world.DIM, AGAIN))
        assert one.equals(other)
    finally:
        world.warehouse.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("examples", [3, pytest.param(150, marks=pytest.mark.soak)])
def test_s1_s2_any_arrivals_end_in_what_a_rebuild_and_plain_sql_have(examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 10,
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def played(steps: list[Step]) -> None:
        play(steps)

    played()
