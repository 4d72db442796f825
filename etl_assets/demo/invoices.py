"""The invoices of the demo's billing system, made up from the shop's plan. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from etl_assets.demo.chance import later, midnight, seeded
from etl_assets.demo.generate import shop_days
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.rows import Invoice, Order

# Orders that are not paid for yet, or never will be, have no invoice.
_NOT_INVOICED: Final = frozenset({"pending", "cancelled", "???"})


def invoices(plan: ShopPlan) -> Iterator[Invoice]:
    """Yield the invoices in the order in which they were issued, ids ascending.

    An order is invoiced up to a day after it was placed, so that some invoices have another day
    than their order. What would be issued after the plan's last day is not there yet.
    """
    end = midnight(plan.day(plan.days - 1)) + timedelta(days=1)
    rng = seeded(plan.seed, "invoices")
    issued = [
        (_issued(rng, order), order)
        for day in shop_days(plan)
        for order in day.orders
        if order.status.lower() not in _NOT_INVOICED and order.total_cents > 0
    ]
    issued.sort(key=lambda one: (one[0], one[1].id))
    for number, (moment, order) in enumerate(issued, start=1):
        if moment < end:
            yield _invoice(rng, number, order, moment)


def _issued(rng: Random, order: Order) -> datetime:
    return later(rng, order.created_at, (0.05, 3) if rng.random() < 0.8 else (3, 24))


def _invoice(rng: Random, number: int, order: Order, issued: datetime) -> Invoice:
    amount = Decimal(order.total_cents).scaleb(-2)
    # Most are settled within weeks, which the billing system notes by touching the row.
    updated = later(rng, issued, (1, 500)) if rng.random() < 0.6 else issued
    return Invoice(number, order.id, amount, order.currency, issued, updated)
