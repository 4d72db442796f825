"""What a role needs in the database of events, and no more.

Who loads and makes partitions owns the tables: it is the role that migrates.
"""

from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from etl_assets.core.errors import ConfigError

Purpose = Literal["ingest", "read"]

GRANTS: Final[dict[Purpose, tuple[str, ...]]] = {
    # ON CONFLICT reads the key; a copy that was received earlier gives the row its moment.
    "ingest": (
        "USAGE ON SCHEMA public",
        "SELECT ON events_schema_version",
        "INSERT, SELECT (id, source, event_id, digest, ingested_at), "
        "UPDATE (ingested_at, status, attempts, error, archived_at) ON staging_events",
        "SELECT, INSERT, UPDATE ON event_cursors, event_objects",
        "SELECT, INSERT, DELETE ON webhook_calls",
    ),
    "read": (
        "USAGE ON SCHEMA public",
        "SELECT ON events, event_ids, user_links, events_schema_version",
        "SELECT (source, status, ingested_at) ON staging_events",
        "SELECT (source, key, error) ON event_objects",
    ),
}
"""By purpose: `ingest` lands (webhook service, events pull), `read` reads the events, and how
fresh their sources are."""


def grant(connection: psycopg.Connection[Any], role: str, purpose: Purpose) -> list[str]:
    """Give the rights to a role, in the connection's transaction; returns the statements.

    Raises ConfigError where there is no such role.
    """
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
        raise ConfigError(
            f"The database of events has no role {role}.", "Create it with CREATE ROLE … LOGIN."
        )
    statements = [
        sql.SQL("GRANT {} TO {}").format(sql.SQL(rights), sql.Identifier(role))
        for rights in GRANTS[purpose]
    ]
    for statement in statements:
        connection.execute(statement)
    return [statement.as_string(connection) for statement in statements]
