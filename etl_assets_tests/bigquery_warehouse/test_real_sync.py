"""What only the real BigQuery can answer about tables that sync: their script and their digests."""

from dataclasses import replace
from datetime import timedelta

import polars as pl

from etl_assets.core.table import versions_of
from etl_assets_tests.bigquery_warehouse.real import BIGQUERY_REAL, Real, own
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    changes_of,
    orders,
    publish,
    published,
    spooled,
    staged,
    token_of,
    values,
)
from etl_assets_tests.contract.test_digests import EVERY, FULL, every, expected

pytestmark = BIGQUERY_REAL


def test_keys_move_and_versions_are_kept(real: Real) -> None:
    """A replacement takes its keys from other days, changes come and go, versions are kept."""
    table = own(ORDERS)
    table = replace(table, versions=versions_of(table))
    warehouse = real.warehouse("&require_partition_filter=true")
    publish(warehouse, staged(real.folder, orders({1: "a", 2: "b"}), table=table), table=table)
    moved = orders({1: "c"}, NEXT, updated=at(NEXT))
    publish(warehouse, staged(real.folder, moved, NEXT, table=table), table=table)
    assert values(warehouse, real.folder, DAY, table=table) == {2: "b"}
    keys = spooled(real.folder, pl.DataFrame({"id": [1, 2]}))
    found = warehouse.lookup(table, keys, real.folder / "found").collect()
    assert sorted(found["v"].to_list()) == ["b", "c"]
    days = [
        staged(real.folder, orders({3: "d"}), table=table),
        staged(real.folder, moved.clear(), NEXT, table=table),
    ]
    changes = changes_of(
        real.folder, token_of(warehouse, table), gone=found.filter(id=1), table=table
    )
    bring(warehouse, changes, *days, table=table)
    assert values(warehouse, real.folder, DAY, NEXT, table=table) == {2: "b", 3: "d"}
    assert warehouse.table_state(table) == changes.position
    assert table.versions is not None
    kept = published(warehouse, real.folder, DAY, NEXT, table=table.versions)
    assert sorted(kept["v"].to_list()) == ["a", "b", "c", "d"]
    warehouse.verify(table, [DAY], AS_OF + timedelta(hours=1))
    assert warehouse.profile(table, [DAY, NEXT]).height == 1


def test_digests_are_exact(real: Real) -> None:
    """The digests of every comparable dtype are what anybody computes."""
    table, frame, warehouse = own(EVERY), every(*FULL), real.warehouse()
    publish(warehouse, staged(real.folder, frame, table=table), table=table)
    found = warehouse.digests(table, [DAY], 3)
    assert sorted(found.iter_rows()) == expected(EVERY, frame, 3)
    assert warehouse.row_digests(table, DAY, 3, [0, 1, 2]).height == frame.height
