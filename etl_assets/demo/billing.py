"""Fills a PostgreSQL database with the demo's billing system, once.

What the rows are is decided in `invoices.py`.
"""

import hashlib
from datetime import date

from etl_assets.demo import schema
from etl_assets.demo.filling import Connection, Counts, copy_rows, create, fill_once
from etl_assets.demo.invoices import invoices
from etl_assets.demo.plan import ShopPlan


def fill_billing(
    url: str,
    *,
    first_day: date = date(2024, 1, 1),
    days: int = 30,
    orders_a_day: int = 400,
    seed: int = 20240101,
) -> int:
    """Create and fill the table of invoices in the database at `url`; how many invoices there are.

    The invoices are those of the shop that `fill_shop` makes of the same parameters; the rest is as
    it is there, errors as well.
    """
    plan = ShopPlan(first_day, days, orders_a_day, seed)
    counts = fill_once(url, "billing", plan, lambda connection: _fill(connection, plan))
    return counts["invoices"]


def _fill(connection: Connection, plan: ShopPlan) -> tuple[Counts, str]:
    create(connection, schema.INVOICES)
    rows = list(invoices(plan))
    copy_rows(connection, "invoices", rows)
    connection.execute("ANALYZE public.invoices")
    return {"invoices": len(rows)}, hashlib.sha256(repr(rows).encode()).hexdigest()
