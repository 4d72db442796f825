"""Late data as a signal: exactly the days downstream of what was published are made again."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_assets.core.lateness import Late, late_days
from etl_assets.core.partitions import WHOLE
from etl_assets.orchestration.commands import run_job
from etl_assets.orchestration.lateness import plan
from etl_assets.orchestration.syncs import SYNC_JOB
from etl_assets.table_modules import tables_from
from etl_assets_tests.orchestration.shop import DAYS, Shop

CATALOG = tables_from()

ORDERS = CATALOG["raw/orders"]
MADE_OF_STAGED = ("enriched/fact_orders", "enriched/fact_order_items", "enriched/daily_margin")


def late(shop: Shop) -> list[tuple[str, date]]:
    found = late_days(CATALOG, shop.platform.warehouse.state())
    return [(one.table, one.day) for one in found]


@pytest.fixture
def built(full_shop: Shop) -> Shop:
    """A shop whose every layer is loaded and has caught up."""
    sync_orders(full_shop)
    return full_shop


def sync_orders(shop: Shop) -> None:
    assert run_job(shop.platform, SYNC_JOB, [ORDERS], shop.instance).success


def change_an_order(shop: Shop, day: date) -> None:
    shop.change_order(day)
    sync_orders(shop)


def test_a_late_order_makes_its_own_day_late_layer_by_layer_and_no_other(built: Shop) -> None:
    assert late(built) == []
    change_an_order(built, DAYS[1])
    assert late(built) == [("staged/orders", DAYS[1])]
    built.load("staged/orders", days=[DAYS[1]])
    assert set(late(built)) == {(path, DAYS[1]) for path in MADE_OF_STAGED}
    built.load(*MADE_OF_STAGED, days=[DAYS[1]])
    assert late(built) == [("enriched/daily_revenue", DAYS[1])]
    built.load("enriched/daily_revenue", days=[DAYS[1]])
    assert late(built) == []


@pytest.mark.thorough
def test_a_customer_that_changed_makes_exactly_the_days_of_its_later_orders_late(
    built: Shop,
) -> None:
    ((who, country),) = built.sql(
        "SELECT customer_id, min(country) FROM orders JOIN customers c ON c.id = customer_id "
        "GROUP BY 1 ORDER BY count(DISTINCT orders.created_at::date) DESC LIMIT 1"
    )
    moved = f"{DAYS[2]} 00:00+00"
    days = {
        day
        for (day,) in built.sql(
            "SELECT DISTINCT created_at::date FROM orders "
            f"WHERE customer_id = {who} AND created_at >= '{moved}'"
        )
    }
    other = "FR" if country != "FR" else "DE"
    built.sql(f"UPDATE customers SET country = '{other}', updated_at = '{moved}' WHERE id = {who}")
    day = {row for (row,) in built.sql(f"SELECT created_at::date FROM customers WHERE id = {who}")}
    assert built.load("raw/customers", days=sorted(day)).success
    assert ("enriched/dim_customers", WHOLE) in late(built)
    assert built.load("enriched/dim_customers").success
    facts = {(path, one) for path, one in late(built) if path.startswith("enriched/fact_")}
    assert {one for path, one in facts if path == "enriched/fact_orders"} == days
    assert {path for path, _ in facts} == {"enriched/fact_orders", "enriched/fact_order_items"}


def test_a_day_that_was_never_made_is_late_once_its_inputs_are_there(shop: Shop) -> None:
    shop.load("raw/orders", days=DAYS[:2])
    never = ("enriched/dim_date", WHOLE)  # made of nothing, so that it waits for nothing
    assert set(late(shop)) == {never, *(("staged/orders", day) for day in DAYS[:2])}


Tick = Callable[[str | None], Any]


@pytest.fixture
def tick(built: Shop, tmp_path: Path) -> Iterator[Tick]:
    """A tick of the staged layer's sensor with this cursor."""
    repository = built.definitions.get_repository_def()
    sensor = repository.get_sensor_def("late_staged_days")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def evaluated(cursor: str | None) -> Any:
            context = dg.build_sensor_context(
                instance=instance,
                cursor=cursor,
                repository_def=repository,
                resources={"platform": built.platform},
            )
            return sensor.evaluate_tick(context)

        yield evaluated


def test_the_sensor_asks_for_the_late_days_once_and_says_why(built: Shop, tick: Tick) -> None:
    change_an_order(built, DAYS[0])
    change_an_order(built, DAYS[1])
    built.add_order(DAYS[3])
    sync_orders(built)
    first = tick(None)
    spans = [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in first.run_requests
    ]
    assert spans == [(str(DAYS[0]), str(DAYS[1])), (str(DAYS[3]), str(DAYS[3]))]
    assert "made before raw/orders" in first.run_requests[0].tags["etl_assets/late"]
    assert tick(first.cursor).run_requests in (None, [])


@pytest.mark.thorough
def test_an_idle_tick_asks_the_warehouse_for_nothing_until_something_is_published(
    built: Shop, tick: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    state = built.platform.warehouse.state

    def noted(*arguments: Any) -> Any:
        looked.append(arguments)
        return state(*arguments)

    monkeypatch.setattr(built.platform.warehouse, "state", noted)
    idle = tick(None)
    assert (idle.run_requests in (None, []), len(looked)) == (True, 1)
    again = tick(idle.cursor)
    assert "Nothing was published since" in again.skip_message
    assert len(looked) == 1, "an idle tick does not open the warehouse"
    tick(None)
    assert len(looked) == 2, "a cursor that was reset is looked at"
    change_an_order(built, DAYS[0])
    assert len(tick(idle.cursor).run_requests) == 1


def test_a_tick_asks_for_no_more_days_than_its_budget_and_for_the_oldest_first() -> None:
    found = [Late("staged/orders", day, "x", "") for day in reversed(DAYS)]
    first, asked = plan(found, {}, 3)
    assert [one.day for one in first] == DAYS[:3]
    second, asked = plan(found, asked, 3)
    assert [one.day for one in second] == DAYS[3:]
    assert plan(found, asked, 3)[0] == []


def test_a_day_is_asked_for_again_when_its_inputs_changed_again() -> None:
    first = Late("staged/orders", DAYS[0], "x", "")
    _, asked = plan([first], {}, 3)
    again = replace(first, wanted="y")
    assert plan([again], asked, 3)[0] == [again]
    assert plan([], asked, 3) == ([], {})
    assert json.loads(json.dumps(asked)) == asked
