"""How the PostgreSQL of a warehouse is: what its server says, and whether our role may publish.

Nothing is written, and no table of the platform is made.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import sqlalchemy as sa

from etl_assets.core.errors import EtlError
from etl_assets.core.findings import Finding, Level
from etl_assets.core.table import Layer
from etl_assets.core.wording import count_of
from etl_assets.postgres.connection import driver_of
from etl_assets.postgres.rights import missing_to_publish
from etl_assets.postgres.server_facts import ServerFacts, findings_of_server, read_facts
from etl_assets.warehouse.postgres.engine import Transactions
from etl_assets.warehouse.postgres.schemas import layer_schema, staging_schema, system_schema
from etl_assets.warehouse.postgres.system import version_of
from etl_assets.warehouse.system_tables import SCHEMA_VERSION

_LOCKS_A_PARTITION = 3  # itself and its two indexes


def findings(
    transactions: Transactions, where: str, layers: Sequence[str]
) -> tuple[list[Finding], timedelta | None]:
    """What is found, and how far the server's clock is ahead of this machine's; `layers` are the
    layers of the tables.

    Raises WarehouseError and WarehouseUnavailable where it cannot be asked.
    """

    def work(connection: sa.Connection) -> tuple[list[Finding], timedelta | None]:
        driver = driver_of(connection)
        schemas = [layer_schema(layer) for layer in map(Layer, layers)]
        facts = read_facts(driver)
        found = [
            Finding(where, "connection", f"as the role {facts.told.role}"),
            *findings_of_server(where, facts),
            *_rights(driver, where, schemas),
            _tables(connection, where),
            *_locks(driver, where, schemas, facts),
        ]
        if facts.told.is_standby:
            found.append(
                Finding(
                    where,
                    "standby",
                    "it is a standby, which nothing can be written to",
                    Level.ERROR,
                    "No table can be published.",
                    "Name the primary in WAREHOUSE_URL.",
                )
            )
        return found, facts.skew

    return transactions.run("looking how the warehouse is", work)


def _rights(
    driver: psycopg.Connection[Any], where: str, layers: Sequence[str]
) -> Iterator[Finding]:
    system = [system_schema(), staging_schema()]
    missing = list(missing_to_publish(driver, [*layers, staging_schema()], [system_schema()]))
    if not missing:
        yield Finding(where, "permissions", f"the role may publish to {', '.join(layers)}")
        return
    yield Finding(
        where,
        "permissions",
        f"the role lacks {count_of(len(missing), 'right')} on {', '.join([*layers, *system])}",
        Level.ERROR,
        "What is loaded cannot be published (42501).",
        f"Let an administrator run there: {' '.join(missing)}",
    )


def _tables(connection: sa.Connection, where: str) -> Finding:
    check = "the platform's tables"
    try:
        version = version_of(connection)
    except EtlError as error:
        cost = "This release refuses to work on them."
        return Finding(where, check, error.what.rstrip("."), Level.ERROR, cost, error.next_step)
    if version is None:
        return Finding(where, check, "not there yet: the first publication makes them")
    if version == SCHEMA_VERSION:
        return Finding(where, check, f"version {version}, as this release needs it")
    return Finding(
        where,
        check,
        f"version {version}, and this release needs {SCHEMA_VERSION}",
        Level.WARNING,
        "The next publication brings them up to it; a role that may not make tables is refused "
        "then.",
        "Run: etl-assets migrate.",
    )


def _locks(
    driver: psycopg.Connection[Any], where: str, layers: Sequence[str], facts: ServerFacts
) -> Iterator[Finding]:
    row = driver.execute(
        """
        SELECT format('%%I.%%I', n.nspname, c.relname), count(*) FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhparent AND c.relkind = 'p'
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (%s) GROUP BY 1 ORDER BY 2 DESC LIMIT 1
        """,
        [list(layers)],
    ).fetchone()
    if row is None:
        return
    table, days = row
    locks = days * _LOCKS_A_PARTITION
    found = f"a lookup in {table} locks {locks:,} of {facts.told.locks:,} places"
    if 2 * locks < facts.told.locks:
        yield Finding(where, "locks", found)
        return
    yield Finding(
        where,
        "locks",
        found,
        Level.WARNING,
        "Two lookups at once, or a year more of days, are refused with 53200.",
        "Run there: ALTER SYSTEM SET max_locks_per_transaction = 1024; and restart the server.",
    )
