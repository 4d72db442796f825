"""What a plan foresaw, held against what loads then did to the warehouse."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl_assets.core.readings import is_reading
from etl_assets.pipeline.planned.plan import plan
from etl_assets.pipeline.planned.table_plan import TablePlan
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.planned.physical import columns
from etl_assets_tests.planned.world import World

Plans = Mapping[str, TablePlan]


def planned(world: World) -> dict[str, TablePlan]:
    """The plan of every table, by path."""
    tables = list(world.platform.catalog.values())
    return {one.table: one for one in plan(world.platform, world.platform.warehouse, tables)}


def parts(plans: Plans) -> tuple[set[tuple[str, date]], set[tuple[str, date]]]:
    """The parts that are published anew for sure, and those that may be."""
    every = {(p, day) for p, one in plans.items() for day in {*one.loads, *one.makes}}
    unsure = {(p, day) for p, one in plans.items() for day in one.unsure}
    return every - unsure, every


@dataclass(frozen=True)
class Before:
    """Tables with their columns, and the load of each published part."""

    columns: Mapping[str, set[str]]
    loads: Mapping[tuple[str, date], str]

    @classmethod
    def of(cls, world: World, backend: Backend, folder: Path) -> "Before":
        """The warehouse as it is."""
        return cls(columns(backend, folder), world.loads())


def assert_it_happened(
    plans: Plans, world: World, backend: Backend, folder: Path, before: Before
) -> None:
    """Fail unless the warehouse, after all loads, differs from `before` by what the plans say."""
    after, now = columns(backend, folder), world.loads()
    created = set(after) - set(before.columns)
    assert created == {path for one in plans.values() for path in one.creates}
    gained = {p: sorted(after[p] - known) for p, known in before.columns.items()}
    assert {p: names for p, names in gained.items() if names} == {
        p: sorted(one.added) for p, one in plans.items() if one.added
    }
    sure, every = parts(plans)
    kept = {table.versions.path for table in world.platform.catalog.values() if table.versions}
    anew = {
        place
        for place, load in now.items()
        if before.loads.get(place) != load and not is_reading(place[0]) and place[0] not in kept
    }
    assert sure <= anew <= every
    left = planned(world)
    assert not [p for p, one in left.items() if one.loads or one.makes], "all that can be is done"
    told = {path: one.of_other_code for path, one in plans.items()}
    assert {p: left[p].of_other_code for p in told if p in left} == told, "nothing makes it"
