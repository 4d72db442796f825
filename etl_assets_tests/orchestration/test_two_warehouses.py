"""M6: two warehouses under one data folder share Dagster's history, and nobody believes it.

What is published, late and to be done is read from the warehouse that the settings name.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.derive import derive_late_days
from etl_assets.pipeline.idle import idle_syncs
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.orchestration.shop import DAYS, Shop

RAW, STAGED = "raw/orders", "staged/orders"


@pytest.fixture
def other(shop: Shop, tmp_path: Path) -> Iterator[Shop]:
    """The same source, folder and Dagster instance with another warehouse, which is empty."""
    settings = shop.settings.changed(warehouse_url=f"duckdb://{tmp_path}/other.duckdb")
    platform = Platform(settings)
    definitions = build_definitions(settings, overrides={"platform": platform})
    yield replace(shop, settings=settings, platform=platform, definitions=definitions)
    platform.close()


@pytest.mark.thorough
def test_m6_days_of_one_warehouse_are_not_taken_for_days_of_another(
    shop: Shop, other: Shop
) -> None:
    assert shop.backfill(RAW, STAGED).succeeded
    before = shop.published(STAGED, DAYS[0])
    refused = other.backfill(STAGED)
    assert not refused.done.get(STAGED)
    assert f"{RAW}: 4 days from {DAYS[0]} to {DAYS[-1]} are not published" in str(refused.messages)
    assert other.state(STAGED) == {}
    assert other.backfill(RAW, STAGED).succeeded
    for path in (RAW, STAGED):
        assert other.state(path).keys() == shop.state(path).keys() == set(DAYS)
    assert shop.published(STAGED, DAYS[0]) == before


def test_m6_late_days_and_idle_tables_are_those_of_the_warehouse(shop: Shop, other: Shop) -> None:
    assert shop.backfill(RAW, STAGED).succeeded
    assert other.backfill(RAW).succeeded
    assert [one.table for one in shop.platform.late() if one.table == STAGED] == []
    assert [one.day for one in other.platform.late() if one.table == STAGED] == DAYS
    derived = derive_late_days(other.platform, [STAGED], other.instance)
    assert derived.done[STAGED] == set(DAYS)
    orders = shop.platform.catalog[RAW]
    with shop.platform.spool("test", orders.name) as folder:
        list(shop.platform.sync(orders, folder, "test").run())
    assert list(idle_syncs(shop.platform, [orders])) == [RAW]
    assert list(idle_syncs(other.platform, [orders])) == []
