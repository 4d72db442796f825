"""A plan where an earlier release wrote to the warehouse last: it names the migration, foresees the
rest, and brings nothing over by itself."""

from pathlib import Path

import pytest

from etl_assets.cli.status import print_status
from etl_assets.pipeline.planned.migration import migration_of
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.on_bigquery import BIGQUERY, _prefix
from etl_assets_tests.planned.conftest import Built
from etl_assets_tests.planned.foreseeing import Before, assert_it_happened, planned
from etl_assets_tests.planned.kinds import KINDS
from etl_assets_tests.planned.physical import everything

TO_VERSION_8 = ("ALTER TABLE etl.etl_tables DROP COLUMN declaration",)
TO_VERSION_7 = (*TO_VERSION_8, "ALTER TABLE etl.etl_tables DROP COLUMN columns")
EARLIER = {8: TO_VERSION_8, 7: TO_VERSION_7}
CHANGES = [
    "nothing",
    "a column added through both layers",
    "a required column of the source added",
    "a column removed",
    "the cursor changed",
    "a tracked column of a dimension added",
    "days added",
]


@pytest.mark.thorough_but("8-a column added")
@pytest.mark.soak_for("bigquery", "postgres-7", *(f"postgres-8-{c}" for c in CHANGES[2:]))
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("version", EARLIER)
def test_a_plan_names_the_migration_and_foresees_the_rest(
    load: Built, backend: Backend, tmp_path: Path, version: int, change: str
) -> None:
    case = KINDS[change]
    world = load(case.before)
    assert migration_of(world.platform.warehouse) is None
    world.platform.close()
    make_earlier(backend, tmp_path, version)
    world = world.with_code(case.after, **case.settings)
    before, there = Before.of(world, backend, tmp_path), everything(backend, tmp_path)

    told = migration_of(world.platform.warehouse)
    plans = planned(world)
    assert told is not None
    assert f"from version {version} to {SCHEMA_VERSION}, by etl-assets migrate" in told
    assert everything(backend, tmp_path) == there, "nothing was brought over"
    refused = {path for path, one in plans.items() if one.refused}
    assert refused == {*case.refused, *case.refused_on.get(backend.name, ())}
    raw = plans["raw/orders"]
    assert raw.changes is None, "what it declared is not known yet"

    world.load_all()
    assert_it_happened(plans, world, backend, tmp_path, before)
    assert migration_of(world.platform.warehouse) is None, "a publication brings it over"


@pytest.mark.soak_for("bigquery", "postgres")
def test_status_sees_the_late_days_that_the_sensor_makes(
    load: Built, backend: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Version 7 did not remember with which columns a derived table was published."""
    case = KINDS["a column added through both layers"]
    world = load(case.before)
    world.platform.close()
    make_earlier(backend, tmp_path, 7)
    world = world.with_code(case.after, **case.settings)
    late = [one for one in world.platform.late() if one.table == "staged/orders"]
    assert late, "it lacks the new column"

    print_status(world.platform)
    (note,) = [line for line in capsys.readouterr().err.splitlines() if "staged/orders: " in line]
    assert str(len(late)) in note, "as many days are late"


def make_earlier(backend: Backend, folder: Path, version: int) -> None:
    """Let the platform's own tables be those of an earlier version."""
    dataset = f"{_prefix(folder)}etl" if backend is BIGQUERY else "etl"
    for statement in (
        *EARLIER[version],
        f"UPDATE etl.etl_schema SET version = {version} WHERE 1=1",
    ):
        backend.run(folder, statement.replace(" etl.", f" {dataset}."))
