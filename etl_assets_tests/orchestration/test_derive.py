"""R7: late derived days from a terminal: exactly those; what cannot be made is one line."""

from datetime import date
from pathlib import Path

import pytest

from etl_assets.core.partitions import Window
from etl_assets.orchestration.backfill import backfill
from etl_assets.orchestration.commands import sync_tables
from etl_assets.orchestration.derive import derive_late_days
from etl_assets_tests.orchestration.shop import DAYS, Shop, open_shop

MADE_OF_STAGED = ("enriched/fact_orders", "enriched/fact_order_items", "enriched/daily_margin")
DERIVED = ("staged/orders", *MADE_OF_STAGED, "enriched/daily_revenue")


def loads(shop: Shop) -> dict[tuple[str, date], str]:
    states = shop.platform.warehouse.state()
    return {(s.table_name, s.partition_key): s.load_id for s in states if s.load_id}


def test_r7_the_late_days_of_every_layer_are_made_and_no_others(full_shop: Shop) -> None:
    full_shop.change_order(DAYS[1])
    full_shop.load("raw/orders", days=[DAYS[1]])
    before = loads(full_shop)
    result = derive_late_days(
        full_shop.platform, list(full_shop.platform.catalog), full_shop.instance
    )
    assert result.succeeded, result.messages
    made = {path: days for path, days in result.done.items() if days}
    assert made == {path: {DAYS[1]} for path in DERIVED}
    after = loads(full_shop)
    changed = {name for name, load in after.items() if before.get(name) != load}
    assert changed == {(path, DAYS[1]) for path in DERIVED}
    assert full_shop.platform.late() == []
    again = derive_late_days(
        full_shop.platform, list(full_shop.platform.catalog), full_shop.instance
    )
    assert (again.succeeded, again.done) == (True, {})


@pytest.mark.thorough
def test_r7_only_the_tables_that_are_named_are_made(full_shop: Shop) -> None:
    full_shop.change_order(DAYS[2])
    full_shop.load("raw/orders", days=[DAYS[2]])
    result = derive_late_days(full_shop.platform, ["staged/orders"], full_shop.instance)
    assert {path for path, days in result.done.items() if days} == {"staged/orders"}
    late = {(one.table, one.day) for one in full_shop.platform.late()}
    assert late == {(path, DAYS[2]) for path in MADE_OF_STAGED}


def test_r7_a_sync_makes_what_is_late_after_it(full_shop: Shop) -> None:
    orders = [full_shop.platform.catalog["raw/orders"]]
    sync_tables(full_shop.platform, orders, full_shop.instance, derive=False)
    full_shop.change_order(DAYS[0])
    left = sync_tables(full_shop.platform, orders, full_shop.instance, derive=False)
    assert left.derived.done == {}
    assert [one.table for one in full_shop.platform.late()] == ["staged/orders"]
    synced = sync_tables(full_shop.platform, orders, full_shop.instance, derive=None)
    made = {path: days for path, days in synced.derived.done.items() if days}
    assert made == {path: {DAYS[0]} for path in DERIVED}
    assert (synced.failures, full_shop.platform.late()) == ({}, [])


def test_r7_a_range_that_nobody_named_is_what_the_inputs_have(shop: Shop) -> None:
    shop.load("raw/orders", days=DAYS[1:3])
    window = Window(DAYS[0], DAYS[-1])
    done = backfill(shop.platform, ["staged/orders"], window, shop.instance, every_day=False)
    assert (done.succeeded, done.messages) == (True, [])
    assert done.done == {"staged/orders": {DAYS[1], DAYS[2]}}


@pytest.mark.parametrize(
    ("made", "above"),
    [
        ("staged/orders", "raw/orders"),
        ("staged/countries", "raw/countries"),
        ("enriched/dim_customers", "raw/customers_versions"),
    ],
)
def test_r7_what_has_nothing_to_be_made_of_fails_also_where_nobody_named_a_range(
    shop: Shop, made: str, above: str
) -> None:
    window = Window(DAYS[0], DAYS[-1])
    alone = backfill(shop.platform, [made], window, shop.instance, every_day=False)
    assert not alone.succeeded
    (message,) = alone.messages
    assert message.startswith(above)
    assert f"{made} is made of" in message
    assert f"etl-assets backfill {above.removesuffix('_versions')}" in message
    assert "_versions " not in message.partition("etl-assets")[2], "nobody loads versions"


def test_r7_named_days_that_cannot_be_made_are_one_message_and_no_run(shop: Shop) -> None:
    shop.load("raw/orders", days=[DAYS[0]])
    result = shop.backfill("staged/orders")
    assert not result.succeeded
    assert result.done == {"staged/orders": {DAYS[0]}}
    assert result.failed == {"staged/orders": set(DAYS[1:])}
    assert result.messages == [
        f"raw/orders: 3 days from {DAYS[1]} to {DAYS[3]} are not published, and staged/orders is "
        f"made of them. Load them first: etl-assets backfill raw/orders --from {DAYS[1]} "
        f"--to {DAYS[3]}."
    ]


@pytest.fixture
def long_shop(database_url: str, tmp_path: Path) -> Shop:
    with open_shop(database_url, tmp_path) as opened:
        opened.settings = opened.settings.changed(first_day=date(2013, 1, 1))
        opened.platform.settings = opened.settings
        return opened


@pytest.mark.thorough
def test_r7_four_thousand_days_that_cannot_be_made_are_told_in_one_line(long_shop: Shop) -> None:
    window = Window(date(2013, 1, 1), DAYS[-1])
    result = backfill(long_shop.platform, ["staged/orders"], window, long_shop.instance)
    (message,) = result.messages
    assert message.startswith("raw/orders: 4,021 days from 2013-01-01 to 2024-01-04 are not")
    assert len(result.failed["staged/orders"]) == 4021
