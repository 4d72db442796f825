"""Turns at tables and days (L3): advisory locks that end with their transaction.

Who replaces or appends holds the days and shares the table. What may move rows between any days
holds the whole table: a merge, changes, and every publication of a table that syncs. How long one
waits is the transaction's lock_timeout.
"""

import hashlib
from collections.abc import Iterable
from datetime import date

import sqlalchemy as sa

from etl_assets.core.table import LayerTable

_ALL_OF_IT = sa.text("SELECT pg_advisory_xact_lock(:key)")
_SHARED = sa.text("SELECT pg_advisory_xact_lock_shared(:key)")
_EACH = sa.text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def lock_table(connection: sa.Connection, path: str) -> None:
    """Keep every other publication of the table of this path away."""
    connection.execute(_ALL_OF_IT, {"key": _key(path)})


def lock_days(connection: sa.Connection, table: LayerTable, days: Iterable[date]) -> None:
    """Keep other publications of these days away, and merges of the table."""
    connection.execute(_SHARED, {"key": _key(table.path)})
    # In one order for everybody: two that want the same days never wait for each other.
    keys = sorted({_key(f"{table.path} {day}") for day in days})
    connection.execute(_EACH, {"keys": keys})


def lock_schema_changes(connection: sa.Connection) -> None:
    """Keep others from creating or migrating tables: `IF NOT EXISTS` alone does not (23505)."""
    connection.execute(_ALL_OF_IT, {"key": _key("schema changes")})


def _key(name: str) -> int:
    digest = hashlib.sha256(f"etl_assets {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
