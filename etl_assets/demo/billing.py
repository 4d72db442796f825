"""Fills a PostgreSQL database with the demo's billing system, once.

What the rows are is decided in `invoices.py` and `accounts.py`.
"""

import hashlib
from dataclasses import dataclass
from datetime import date

from etl_assets.demo import schema
from etl_assets.demo.accounts import accounts
from etl_assets.demo.filling import Connection, Counts, copy_rows, create, fill_once
from etl_assets.demo.invoices import invoices
from etl_assets.demo.plan import ShopPlan


@dataclass(frozen=True)
class BillingCounts:
    """Rows of each table of the billing system, as it was filled."""

    invoices: int = 0
    accounts: int = 0


def fill_billing(
    url: str,
    *,
    first_day: date = date(2024, 1, 1),
    days: int = 30,
    orders_a_day: int = 400,
    seed: int = 20240101,
) -> BillingCounts:
    """Create and fill the tables of invoices and accounts in the database at `url`.

    They are those of the shop that `fill_shop` makes of the same parameters; the rest is as it is
    there, errors as well.
    """
    plan = ShopPlan(first_day, days, orders_a_day, seed)
    counts = fill_once(url, "billing", plan, lambda connection: _fill(connection, plan))
    return BillingCounts(**counts)


def _fill(connection: Connection, plan: ShopPlan) -> tuple[Counts, str]:
    create(connection, schema.INVOICES, schema.ACCOUNTS)
    fingerprint = hashlib.sha256()
    counts: Counts = {}
    for table, rows in (("invoices", list(invoices(plan))), ("accounts", list(accounts(plan)))):
        counts[table] = len(rows)
        fingerprint.update(repr(rows).encode())
        copy_rows(connection, table, rows)
    connection.execute("ANALYZE public.invoices, public.accounts")
    return counts, fingerprint.hexdigest()
