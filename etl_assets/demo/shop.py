"""Fills a PostgreSQL database with the demo shop, once.

What the rows are is decided in `generate.py`, which of them are bad in `plan.py`.
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from etl_assets.demo import schema
from etl_assets.demo.filling import Connection, Counts, copy_rows, create, fill_once
from etl_assets.demo.generate import shop_days
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.rows import CountryName
from etl_assets.demo.vocabulary import COUNTRIES


@dataclass(frozen=True)
class ShopCounts:
    """Rows of each table of the shop, as it was filled."""

    customers: int = 0
    products: int = 0
    orders: int = 0
    order_items: int = 0
    countries: int = 0


def fill_shop(
    url: str,
    *,
    first_day: date = date(2024, 1, 1),
    days: int = 30,
    orders_a_day: int = 400,
    seed: int = 20240101,
) -> ShopCounts:
    """Create and fill the shop's tables in the database at `url`, in one transaction.

    Days are UTC; `orders_a_day` is the average. The same parameters give the same tables, byte for
    byte. A database that already holds this shop is left alone, whatever became of its rows; only
    the countries are added where an earlier release filled it without them.
    Raises FillConflictError if it holds another one or tables of these names that are not ours,
    ValueError for less than one day or order, and psycopg.Error as the server does.
    """
    plan = ShopPlan(first_day, days, orders_a_day, seed)
    counts = fill_once(
        url, "shop", plan, lambda connection: _fill(connection, plan), _missing_countries
    )
    return ShopCounts(**counts)


def _fill(connection: Connection, plan: ShopPlan) -> tuple[Counts, str]:
    create(connection, schema.TABLES, schema.COUNTRIES)
    fingerprint = hashlib.sha256()
    counts = dict.fromkeys((field.name for field in fields(ShopCounts)), 0)
    for day in shop_days(plan):
        tables: dict[str, list[Any]] = day._asdict()
        for table, rows in tables.items():
            counts[table] += len(rows)
            fingerprint.update(repr(rows).encode())
            copy_rows(connection, table, rows)
    counts["countries"] = _copy_countries(connection)
    connection.execute(schema.KEYS_AND_INDEXES)
    connection.execute(schema.COMMENTS)
    connection.execute(
        "ANALYZE public.customers, public.products, public.orders, public.order_items,"
        " public.countries"
    )
    return counts, fingerprint.hexdigest()


def _copy_countries(connection: Connection) -> int:
    rows = [CountryName(country.code, country.name) for country in COUNTRIES]
    copy_rows(connection, "countries", rows)
    return len(rows)


def _missing_countries(connection: Connection, counts: Counts) -> Counts:
    if "countries" in counts:
        return {}
    create(connection, schema.COUNTRIES)
    return {"countries": _copy_countries(connection)}
