"""Turns at tables (L3): advisory locks that end with their transaction.

Every publication changes its table's row of `etl_tables`, so that two of one table take turns. How
long one waits is the transaction's lock_timeout.
"""

import hashlib

import sqlalchemy as sa

from etl_assets.warehouse.postgres.schemas import lock_name

_ALL_OF_IT = sa.text("SELECT pg_advisory_xact_lock(:key)")


def lock_table(connection: sa.Connection, path: str) -> None:
    """Keep every other publication of the table of this path away."""
    connection.execute(_ALL_OF_IT, {"key": _key(path)})


def lock_schema_changes(connection: sa.Connection) -> None:
    """Keep others from creating or migrating tables: `IF NOT EXISTS` alone does not (23505)."""
    connection.execute(_ALL_OF_IT, {"key": _key("schema changes")})


def _key(name: str) -> int:
    digest = hashlib.sha256(f"etl_assets {lock_name(name)}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
