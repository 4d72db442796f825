"""The sales that the demo's HTTP API serves, made up from the shop's plan. Pure.

Till systems leave out a price that is as it was; one sale is bad, and some are sent twice.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

from etl_assets.demo.chance import seeded, times_of
from etl_assets.demo.plan import ShopPlan

STORES: Final = {"Hamburg": "EUR", "Lyon": "EUR", "Leeds": "GBP"}
_TILLS, _ARTICLES = 2, 4
_SALES_A_DAY = (105, 135)
_IDS_A_DAY = 1000
_BAD_DAY, _BAD_SALE = 7, 41
BAD_SALES: Final = 1
"""How many sales are bad."""

_TWICE = {3: 99, 17: 99}
"""By day the sale that is sent twice: the last of a page is the first of the next one as well."""


@cache
def sales_of(day: date) -> Sequence[Mapping[str, Any]]:
    """The sales of a day as the API gives them, in the order of their moments."""
    plan = ShopPlan()
    index = (day - plan.first_day).days
    if not 0 <= index < plan.days:
        return ()
    rng = seeded(plan.seed, "sales", index)
    sales: list[dict[str, Any]] = []
    prices: dict[tuple[str, int, int], float] = {}
    for number, moment in enumerate(times_of(rng, day, rng.randint(*_SALES_A_DAY), timedelta(0))):
        store = rng.choice(list(STORES))
        till, article = rng.randint(1, _TILLS), rng.randint(1, _ARTICLES)
        price = (499 + 250 * article + 100 * (store == "Leeds")) / 100
        sale: dict[str, Any] = {
            "sale_id": 1 + index * _IDS_A_DAY + number,
            "sold_at": moment.isoformat().replace("+00:00", "Z"),
            "store": store,
            "till": till,
            "sku": f"SHOP-{article:02d}",
            "quantity": rng.randint(1, 3),
            "unit_price": price,
            "currency": STORES[store],
        }
        if prices.get((store, till, article)) == price and rng.random() < 0.3:
            sale["unit_price"] = sale["currency"] = None
        prices[store, till, article] = price
        sales.append(sale)
    if index == _BAD_DAY:
        sales[_BAD_SALE]["quantity"] = "two"
    if index in _TWICE:
        sales.insert(_TWICE[index] + 1, sales[_TWICE[index]])
    return tuple(sales)
