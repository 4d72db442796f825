"""Keys that vanish from a source without a mark close their versions, by the tombstones of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import polars_schema
from etl_assets.core.dimension import Changes
from etl_assets.core.policies import Deletes
from etl_assets.core.rows import TOMBSTONE_SCHEMA
from etl_assets_tests.contract.days import bring, changes_of, own_row, staged, token_of
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import SPECS, World, dimension

pytestmark = [pytest.mark.thorough_for("bigquery"), pytest.mark.soak_for("bigquery")]
THINGS = "raw/things"


def with_tombstones() -> Catalog:
    closing = replace(dimension(), history=Changes("at"), deletions=THINGS)
    specs = [
        replace(spec, deletes=Deletes.TOMBSTONE) if spec.name == "things" else spec
        for spec in SPECS
        if spec.name in ("things", "sales")
    ]
    return Catalog.of([*specs, closing])


def vanish(world: World, gone: Sequence[int], day: date, found: datetime) -> None:
    """A reconciliation found that these rows of the day are gone."""
    table = world.catalog[THINGS]
    rows = world.rows(THINGS)
    left = rows.filter(~pl.col("id").is_in(list(gone)) & (pl.col("at").dt.date() == day))
    stones = pl.DataFrame(
        [
            (THINGS, day, f"id={key}", json.dumps({"id": key, "a": "x"}), "run", found)
            for key in gone
        ],
        schema=TOMBSTONE_SCHEMA,
        orient="row",
    )
    changed = changes_of(
        world.spool(),
        token_of(world.warehouse, table),
        position=own_row(table),
        gone=pl.DataFrame({"id": list(gone)}, schema={"id": polars_schema(table.columns)["id"]}),
        tombstones=stones,
        table=table,
    )
    one = staged(world.spool(), rows.clear(), day, table=table, row_count=left.height)
    bring(world.warehouse, changed, one, table=table)


def test_s2_a_key_that_vanished_is_closed_when_its_absence_was_found(world: World) -> None:
    world.catalog = with_tombstones()
    world.arrive([Change(1, 0, "x", 1), Change(2, 0, "y", 1)])
    world.build()
    vanish(world, [1], moment(0).date(), moment(40))
    assert [one.table for one in world.late()] == ["enriched/dim_things"]
    run = world.build()
    assert (run.whole, run.keys) == (False, 1)
    assert {(v.id, v.since, v.until) for v in world.versions()} == {(1, 0, 40), (2, 0, None)}
    assert world.late() == []
    world.arrive([Change(1, 60, "x", 1), *(Change(key, 61, "m", 1) for key in range(5, 9))])
    world.build()
    assert {(v.since, v.until) for v in world.versions() if v.id == 1} == {(0, 40), (60, None)}


def test_s2_a_row_that_is_back_as_it_was_was_never_gone(world: World) -> None:
    world.catalog = with_tombstones()
    world.arrive([Change(1, 0, "x", 1), Change(2, 0, "y", 1)])
    world.build()
    vanish(world, [1], moment(0).date(), moment(40))
    world.build()
    world.arrive([Change(1, 0, "x", 1), Change(2, 0, "y", 1)])
    world.build()
    assert {(v.id, v.since, v.until) for v in world.versions()} == {(1, 0, None), (2, 0, None)}


def test_a_dimension_of_deletions_needs_a_table_that_keeps_tombstones() -> None:
    closing = replace(dimension(), deletions=THINGS)
    (message,) = Catalog.of([SPECS[0], closing]).errors
    assert "raw/things keeps no tombstones" in message
    assert "Deletes.TOMBSTONE" in message
