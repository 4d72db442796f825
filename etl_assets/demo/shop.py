"""Fills a PostgreSQL database with the demo shop, once.

What the rows are is decided in `generate.py`, which of them are bad in `plan.py`.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from etl_assets.demo import schema
from etl_assets.demo.generate import shop_days
from etl_assets.demo.plan import ShopPlan

# Counted up whenever the same plan gives other rows, so that an older shop is noticed.
_GENERATOR: Final = 2

_MARKER: Final[LiteralString] = """
CREATE SCHEMA IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS demo.shop_fill (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    parameters  jsonb NOT NULL,
    rows        jsonb NOT NULL,
    fingerprint text NOT NULL,
    filled_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE demo.shop_fill IS
    'The parameters that the shop in schema public was filled with, and the SHA-256 of its rows.';
"""


class ShopConflictError(RuntimeError):
    """The database holds another shop, or tables that are not ours. Permanent; nothing changed."""


@dataclass(frozen=True)
class ShopCounts:
    """Rows of each table of the shop, as it was filled."""

    customers: int = 0
    products: int = 0
    orders: int = 0
    order_items: int = 0


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
    byte. A database that already holds this shop is left alone, whatever became of its rows.
    Raises ShopConflictError if it holds another one or tables of these names that are not ours,
    ValueError for less than one day or order, and psycopg.Error as the server does.
    """
    plan = ShopPlan(first_day, days, orders_a_day, seed)
    parameters = _parameters(plan)
    with psycopg.connect(url) as connection:
        # Two processes that fill at once: the second waits, and finds the shop filled.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('etl_assets.demo.shop'))")
        connection.execute(_MARKER)
        found = connection.execute("SELECT parameters, rows FROM demo.shop_fill").fetchone()
        if found is not None:
            if found[0] != parameters:
                raise ShopConflictError(
                    f"this database holds the shop of {json.dumps(found[0])}, not of"
                    f" {json.dumps(parameters)}: use another database, or drop this one"
                )
            return ShopCounts(**found[1])
        return _fill(connection, plan, parameters)


def _parameters(plan: ShopPlan) -> dict[str, Any]:
    return {
        "first_day": plan.first_day.isoformat(),
        "days": plan.days,
        "orders_a_day": plan.orders_a_day,
        "seed": plan.seed,
        "generator": _GENERATOR,
    }


def _fill(
    connection: psycopg.Connection[Any], plan: ShopPlan, parameters: dict[str, Any]
) -> ShopCounts:
    try:
        connection.execute(schema.TABLES)
    except psycopg.errors.DuplicateTable as error:
        raise ShopConflictError(
            f"{error.diag.message_primary}, but this demo did not make it: use another database"
        ) from error
    fingerprint = hashlib.sha256()
    counts = dict.fromkeys((field.name for field in fields(ShopCounts)), 0)
    for day in shop_days(plan):
        tables: dict[str, list[Any]] = day._asdict()
        for table, rows in tables.items():
            counts[table] += len(rows)
            fingerprint.update(repr(rows).encode())
            _copy(connection, table, rows)
    connection.execute(schema.KEYS_AND_INDEXES)
    connection.execute(schema.COMMENTS)
    connection.execute(
        "ANALYZE public.customers, public.products, public.orders, public.order_items"
    )
    connection.execute(
        "INSERT INTO demo.shop_fill (parameters, rows, fingerprint) VALUES (%s, %s, %s)",
        [Jsonb(parameters), Jsonb(counts), fingerprint.hexdigest()],
    )
    return ShopCounts(**counts)


def _copy(connection: psycopg.Connection[Any], table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("public", table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
