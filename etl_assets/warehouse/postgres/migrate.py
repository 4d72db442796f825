"""Brings the platform's own tables to this release's revision, with Alembic and without its files.

The migrations are `migrations/versions/`; they only add, so that an older release goes on working
on what a newer one migrated. Published tables are made from their contracts, in `schema.py`.
Alembic is imported by what migrates: it costs as much as all else that a short command imports.
"""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.base import SYSTEM_DATASET
from etl_assets.warehouse.postgres.engine import Transactions
from etl_assets.warehouse.postgres.locks import lock_schema_changes
from etl_assets.warehouse.postgres.models import STAGING_SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
# Alembic keeps what it works on in module globals: one thread at a time.
_alembic = threading.Lock()


def head() -> str:
    """The revision that this release is made for."""
    return revisions()[-1]


def revisions() -> list[str]:
    """The revisions that this release knows, oldest first: each file's name starts with its own."""
    return sorted(path.name.split("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py"))


def is_current(transactions: Transactions) -> bool:
    """Whether the database is at this release's revision; raises WarehouseError if it is ahead."""
    found = transactions.run("looking at the platform's tables", revision_of, reading=True)
    _refuse_unknown(found)
    return found == head()


def upgrade(transactions: Transactions) -> tuple[str | None, str]:
    """The revision before and the one now; any number of processes may call it at once.

    Raises WarehouseError where the database is ahead of this release, or the role may not.
    """

    from alembic import command

    def work(connection: sa.Connection) -> str | None:
        lock_schema_changes(connection)
        before = revision_of(connection)
        _refuse_unknown(before)
        if before != head():
            for schema in (SYSTEM_DATASET, STAGING_SCHEMA):
                create_schema(connection, schema)
            command.upgrade(_config(connection), "head")
        return before

    with _alembic:
        return transactions.run("migrating the platform's tables", work), head()


def downgrade(transactions: Transactions, revision: str = "base") -> None:
    """Go back to a revision, with the loss of what it does not have; `base` leaves nothing."""
    from alembic import command

    def work(connection: sa.Connection) -> None:
        lock_schema_changes(connection)
        command.downgrade(_config(connection), revision)
        if revision == "base":
            connection.execute(sa.text(f"DROP TABLE {SYSTEM_DATASET}.alembic_version"))
            connection.execute(sa.text(f"DROP SCHEMA {SYSTEM_DATASET}"))
            connection.execute(sa.text(f"DROP SCHEMA {STAGING_SCHEMA} CASCADE"))

    with _alembic:
        transactions.run("taking the platform's tables back", work)


def revision_of(connection: sa.Connection) -> str | None:
    """The revision of the database, None where the platform was never here."""
    table = f"{SYSTEM_DATASET}.alembic_version"
    if connection.scalar(sa.text("SELECT to_regclass(:table)"), {"table": table}) is None:
        return None
    found = connection.scalar(sa.text(f"SELECT version_num FROM {table}"))  # noqa: S608 - our name
    return str(found) if found else None


def create_schema(connection: sa.Connection, name: str) -> None:
    """Create a schema unless it is there: then it takes no right to create one."""
    there = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    if connection.scalar(there, {"name": name}) is None:
        connection.execute(sa.schema.CreateSchema(name))


def _refuse_unknown(found: str | None) -> None:
    if found is not None and found not in revisions():
        raise WarehouseError(
            f"The warehouse was migrated by a newer release of etl_assets (revision {found}; this "
            f"one knows {head()}).",
            "Install that release here as well, or name another database in WAREHOUSE_URL.",
        )


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
