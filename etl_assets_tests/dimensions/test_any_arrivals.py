"""Whole roads at random: versions arrive, facts arrive, runs come in between; all ends up right.

`EXAMPLES=1000 make soak ARGS=etl_assets_tests/dimensions/test_any_arrivals.py` plays as many as one
likes on each warehouse; the suite plays a few.
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets.core.catalog import Catalog
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.every_backend import BACKENDS
from etl_assets_tests.dimensions import oracle
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import SPECS, World, dimension

EXAMPLES = int(os.environ.get("EXAMPLES", "50"))
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


def play(steps: Sequence[Step], backend: Backend, folder: Path) -> None:
    catalog = Catalog.of([*SPECS, dimension("dim_again")])
    world = World(backend.open(folder), folder / "spool", catalog)
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


def _examples() -> Iterator[Any]:
    for name in BACKENDS:
        # Half a minute an example on the emulator; `test_building.py` has its share of it.
        few = pytest.mark.soak if name == "bigquery" else ()
        yield pytest.param(name, 3, marks=few)
        yield pytest.param(name, EXAMPLES, marks=pytest.mark.soak)


@pytest.mark.thorough_but("duckdb")
@pytest.mark.parametrize(("backend", "examples"), _examples(), indirect=["backend"])
def test_s1_s2_any_arrivals_end_in_what_a_rebuild_and_plain_sql_have(
    examples: int, backend: Backend, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 10,
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def played(steps: list[Step]) -> None:
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        backend.prepare(request, folder)
        try:
            play(steps, backend, folder)
        finally:
            backend.clean(folder)
            shutil.rmtree(folder, ignore_errors=True)

    played()
