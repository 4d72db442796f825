"""Days that are asked for although nothing changed: what is made of them, and what is not."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import Window
from etl_assets.core.spec import TableSpec
from etl_assets.orchestration.backfill import backfill
from etl_assets.orchestration.build import build_definitions
from etl_assets.pipeline.other_code import of_other_code
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.unchanged import FORCE, FORCE_TAG
from etl_assets.table_modules import tables_from
from etl_assets.tables import orders
from etl_assets_tests.orchestration.shop import DAYS, Shop, materialised, metadata_of

CATALOG = tables_from()
ORDERS, STAGED = "raw/orders", "staged/orders"
KEYS = [str(day) for day in DAYS]
BAD = DAYS[1]
# Inputs of it may have changed without a day being late: it is made whenever it is named.
ALWAYS_MADE = {"enriched/fact_shipments"}


def loads(shop: Shop) -> Mapping[tuple[str, date], str]:
    """Which load each published part is of."""
    states = shop.platform.warehouse.state()
    return {
        (s.table_name, s.partition_key): s.load_id for s in states if " reads " not in s.table_name
    }


def left(result: dg.ExecuteInProcessResult, path: str) -> set[str | None]:
    """The days that the run materialised and left as they were."""
    return {key for key, told in metadata_of(result, path).items() if told.get("unchanged")}


def stale(shop: Shop, path: str) -> list[str]:
    """Days that the UI calls stale."""
    resolver = CachingStaleStatusResolver(
        shop.instance,
        shop.definitions.resolve_asset_graph(),
        LoadingContextForTest(shop.instance),
    )
    key = dg.AssetKey(path.split("/"))
    return [day for day in KEYS if resolver.get_stale_causes(key, day)]


@pytest.fixture
def published(shop: Shop) -> Shop:
    """A shop whose orders are published in both layers."""
    assert shop.load(ORDERS, STAGED).success
    return shop


@pytest.mark.thorough
def test_everything_asked_for_once_more_publishes_nothing(full_shop: Shop) -> None:
    """Also where Dagster itself has forgotten that it was ever loaded."""
    before = loads(full_shop)
    result = full_shop.load()
    assert result.success
    after = loads(full_shop)
    assert {
        path for path, day in after if after[path, day] != before.get((path, day))
    } <= ALWAYS_MADE
    assert after.keys() == before.keys()
    assert full_shop.platform.late() == []
    with_days = [path for path, table in CATALOG.items() if table.has_days]
    made = materialised(result)
    assert {path: sorted(set(made[path])) for path in with_days} == dict.fromkeys(with_days, KEYS)
    for path in set(with_days) - ALWAYS_MADE:
        assert left(result, path) == {*KEYS}, path


def test_a_day_of_which_nothing_changed_is_green_and_says_since_when(published: Shop) -> None:
    shop = published
    first = shop.state(STAGED)
    rows = {day: shop.published(STAGED, day) for day in DAYS}
    result = shop.load(STAGED)
    assert result.success
    told = metadata_of(result, STAGED)[KEYS[0]]
    assert told["unchanged"] is True
    assert told["published_by_run"] == first[DAYS[0]].run_id
    assert told["unchanged_since"] == pytest.approx(first[DAYS[0]].updated_at.timestamp())
    assert FORCE_TAG in told["why"]
    assert told["dagster/partition_row_count"] == len(rows[DAYS[0]])
    assert told["bytes"] > 0, "what was said of it stays, or the plots would have gaps"
    assert shop.state(STAGED) == first
    assert {day: shop.published(STAGED, day) for day in DAYS} == rows
    for check in ("value_rules", "unique_key", "row_count_against_source"):
        assert shop.check_state(STAGED, check) == {"SUCCEEDED": {*KEYS}}, check
    assert stale(shop, STAGED) == []


@pytest.mark.thorough
def test_what_is_made_of_unchanged_days_is_not_stale_and_runs_after_them(full_shop: Shop) -> None:
    tables = (ORDERS, STAGED, "raw/order_items", "staged/order_items", "enriched/fact_order_items")
    for _ in range(2):
        assert full_shop.load(*tables).success
    for path in tables:
        assert stale(full_shop, path) == [], path
    # Again by a run of its own for each layer, as a backfill of the UI has them.
    assert full_shop.backfill(ORDERS, STAGED).succeeded
    for path in tables:
        assert stale(full_shop, path) == [], path


def test_a_run_makes_the_late_days_among_those_that_it_is_asked_for(published: Shop) -> None:
    shop = published
    before = loads(shop)
    shop.sql(f"UPDATE orders SET note = 'x' WHERE created_at::date = '{BAD}'")
    result = shop.load(ORDERS, STAGED)
    assert result.success
    others = {*KEYS} - {str(BAD)}
    assert left(result, ORDERS) == others
    assert left(result, STAGED) == others
    after = loads(shop)
    changed = {place for place in after if after[place] != before[place]}
    assert changed == {(ORDERS, BAD), (STAGED, BAD)}
    assert stale(shop, ORDERS) == stale(shop, STAGED) == []
    assert shop.check_state(STAGED, "value_rules") == {"SUCCEEDED": {*KEYS}}


@pytest.mark.thorough
@pytest.mark.parametrize("key", ["run", "backfill"])
def test_a_tag_or_an_option_makes_unchanged_days_all_the_same(published: Shop, key: str) -> None:
    shop = published
    before = loads(shop)
    if key == "run":
        job = shop.definitions.resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(
            instance=shop.instance,
            asset_selection=[dg.AssetKey(STAGED.split("/"))],
            tags={"dagster/partition": KEYS[0], FORCE_TAG: FORCE},
        )
        assert left(done, STAGED) == set()
        assert loads(shop)[STAGED, DAYS[0]] != before[STAGED, DAYS[0]]
    else:
        window = Window(DAYS[0], DAYS[-1])
        result = backfill(shop.platform, [STAGED], window, shop.instance, force=True)
        assert result.unchanged == {}
        after = loads(shop)
        assert all(after[STAGED, day] != before[STAGED, day] for day in DAYS)
    assert [one for one in shop.platform.late() if one.table == STAGED] == []


@pytest.mark.thorough
def test_a_refused_day_is_tried_again_though_nothing_changed(published: Shop) -> None:
    shop = published
    shop.sql(f"UPDATE orders SET status = 'lost' WHERE created_at::date = '{BAD}' AND id % 10 = 0")
    assert shop.load(ORDERS).success
    for _ in range(2):
        result = shop.load(STAGED)
        assert not result.success
        assert sorted(set(materialised(result)[STAGED])) == sorted({*KEYS} - {str(BAD)})
        assert left(result, STAGED) == {*KEYS} - {str(BAD)}
    # The source is mended, so that the inputs are those that the published day was made of.
    shop.sql(f"UPDATE orders SET status = 'paid' WHERE created_at::date = '{BAD}' AND id % 10 = 0")
    assert shop.load(ORDERS, STAGED).success
    assert shop.platform.reload_reasons(CATALOG[STAGED]) == {}


@pytest.mark.thorough
def test_what_somebody_removed_from_the_warehouse_is_made_again(published: Shop) -> None:
    shop = published
    shop.platform.close()
    on_day = f"(created_at AT TIME ZONE 'UTC')::DATE = '{BAD}'"
    rows = {path: shop.published(path, BAD) for path in (ORDERS, STAGED)}
    for path in rows:
        shop.warehouse(f"DELETE FROM {path.replace('/', '.')} WHERE {on_day}", write=True)
    result = shop.load(ORDERS, STAGED)
    assert result.success
    for path, before in rows.items():
        assert left(result, path) == {*KEYS} - {str(BAD)}
        assert len(shop.published(path, BAD)) == len(before), path
    shop.platform.close()
    shop.warehouse("DROP TABLE staged.orders", write=True)
    assert left(shop.load(STAGED), STAGED) == set()
    assert len(shop.published(STAGED, BAD)) == len(rows[STAGED])


@pytest.mark.thorough
def test_rows_that_somebody_removed_from_a_derived_day_alone_are_made_again(
    published: Shop,
) -> None:
    shop = published
    before = len(shop.published(STAGED, BAD))
    shop.platform.close()
    one = f"SELECT min(order_id) FROM staged.orders WHERE created_at::DATE = '{BAD}'"
    shop.warehouse(f"DELETE FROM staged.orders WHERE order_id = ({one})", write=True)
    assert len(shop.published(STAGED, BAD)) == before - 1
    assert left(shop.load(STAGED), STAGED) == {*KEYS} - {str(BAD)}
    assert len(shop.published(STAGED, BAD)) == before


@pytest.mark.thorough
def test_a_day_with_rows_in_quarantine_is_unchanged_until_these_change(shop: Shop) -> None:
    one = f"id = (SELECT min(id) FROM orders WHERE created_at::date = '{BAD}')"
    shop.sql(f"UPDATE orders SET status = 'lost', currency = '€' WHERE {one}")
    assert shop.load(ORDERS).success
    assert shop.state(ORDERS)[BAD].quarantined_count == 1
    assert left(shop.load(ORDERS), ORDERS) == {*KEYS}
    shop.sql(f"UPDATE orders SET currency = '$' WHERE {one}")
    assert left(shop.load(ORDERS), ORDERS) == {*KEYS} - {str(BAD)}


def rounded(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Another transform than that of the shop's orders."""
    return orders.stage(raw).sort("order_id", descending=True)


STRICTER: Callable[[Any], Any] = lambda given: replace(given, max_change=given.max_change + 1)  # noqa: E731


@pytest.mark.thorough_for("thresholds")
@pytest.mark.parametrize("change", ["transform", "thresholds"])
def test_days_of_another_transform_or_other_thresholds_are_made_again(
    published: Shop, change: str
) -> None:
    shop = published
    spec: TableSpec = orders.TABLE
    changed = (
        replace(spec, stage=rounded)
        if change == "transform"
        else replace(spec, thresholds=STRICTER(spec.thresholds))
    )
    catalog = Catalog.of([changed])
    with closing(Platform(shop.settings, given_catalog=catalog)) as platform:
        states = platform.warehouse.state()
        told = of_other_code(catalog, states, platform.scope, {})
        assert told == ({STAGED: DAYS} if change == "transform" else {}), "thresholds make no rows"
        definitions = build_definitions(shop.settings, overrides={"platform": platform})
        again = Shop(shop.url, shop.settings, platform, definitions, shop.instance)
        result = again.load(STAGED)
        assert result.success
        assert left(result, STAGED) == set()
        assert left(again.load(STAGED), STAGED) == {*KEYS}
        assert of_other_code(catalog, platform.warehouse.state(), platform.scope, {}) == {}


@pytest.mark.thorough
def test_a_table_without_days_is_left_as_it_is_likewise(full_shop: Shop) -> None:
    whole = [path for path, table in CATALOG.items() if not table.has_days]
    before = loads(full_shop)
    result = full_shop.backfill(*whole)
    assert result.succeeded
    assert loads(full_shop) == before
    assert len(result.unchanged) > len(whole) / 2
    for path in ("enriched/dim_customers", "staged/countries"):
        key = dg.AssetCheckKey(dg.AssetKey(path.split("/")), "value_rules")
        found = full_shop.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        context = LoadingContextForTest(full_shop.instance)
        assert asyncio.run(found[key].targets_latest_materialization(context)), "else it is grey"
