"""A table's days: one partition each, made when the day is published first.

A partition is created beside the table and attached: that locks out schema changes, but neither
readers nor writers of other days, as CREATE TABLE … PARTITION OF would.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.postgres.connection import driver_of
from etl_assets.warehouse.postgres.engine import Transactions
from etl_assets.warehouse.postgres.locks import lock_schema_changes
from etl_assets.warehouse.postgres.schema import LONGEST_NAME
from etl_assets.warehouse.postgres.schemas import layer_schema
from etl_assets.warehouse.postgres.types import bounds, relation

_AT_ONCE = 50
"""Partitions made in a transaction: each holds some of the server's locks until it ends."""

_FOUND = sa.text("""
    SELECT c.relname::text, i.inhparent IS NOT NULL FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = to_regclass(:relation)
    WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relname = ANY(:names)
""")


def ensure_days(transactions: Transactions, table: LayerTable, days: Iterable[date]) -> None:
    """Make the partitions that are missing for these days; a table without days needs none."""
    if not table.has_days:
        return
    wanted = sorted(set(days))
    missing = transactions.run(
        f"looking at days of {table.path}", lambda c: _missing(c, table, wanted), reading=True
    )
    for start in range(0, len(missing), _AT_ONCE):
        some = missing[start : start + _AT_ONCE]

        def work(connection: sa.Connection, some: Sequence[date] = some) -> None:
            lock_schema_changes(connection)
            for day, name in _names(connection, table, some):  # others may have been faster
                driver_of(connection).execute(_create(table, day, name))

        transactions.run(f"adding days to {table.path}", work)


def _missing(connection: sa.Connection, table: LayerTable, days: Sequence[date]) -> list[date]:
    return [day for day, _ in _names(connection, table, days)]


def _names(
    connection: sa.Connection, table: LayerTable, days: Sequence[date]
) -> Iterator[tuple[date, str]]:
    """The days without a partition, and what each is to be called."""
    plain = {day: _name(table, day) for day in days}
    digests = {day: _digest_name(connection, table, day) for day in days}
    named = {
        "relation": relation(table).as_string(),
        "schema": sql.Identifier(layer_schema(table.layer)).as_string(),
        "names": [*plain.values(), *digests.values()],
    }
    found: dict[str, bool] = dict(connection.execute(_FOUND, named).tuples().all())
    for day in days:
        if not (found.get(plain[day]) or found.get(digests[day])):
            # Taken by something else: by a day of a table that was put aside, say.
            yield day, digests[day] if plain[day] in found else plain[day]


def _name(table: LayerTable, day: date) -> str:
    name = f"{table.name}_p{day:%4Y%m%d}"
    return name if len(name.encode()) <= LONGEST_NAME else _hashed(table.name, day)


def _digest_name(connection: sa.Connection, table: LayerTable, day: date) -> str:
    oid = sa.text("SELECT CAST(to_regclass(:relation) AS oid)")
    parent = connection.scalar(oid, {"relation": relation(table).as_string()})
    return _hashed(f"{parent} {table.name}", day)


def _hashed(name: str, day: date) -> str:
    return f"p{day:%4Y%m%d}_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _create(table: LayerTable, day: date, name: str) -> sql.Composed:
    start, end = bounds(table, Window.of(day))
    return sql.SQL(
        "CREATE TABLE {day} (LIKE {table} INCLUDING ALL); "
        "ALTER TABLE {table} ATTACH PARTITION {day} FOR VALUES FROM ({start}) TO ({end})"
    ).format(
        table=relation(table),
        day=sql.Identifier(layer_schema(table.layer), name),
        start=start,
        end=end,
    )
