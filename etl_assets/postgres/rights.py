"""Which rights the role of a connection lacks, as the GRANT statements that give them.

Which rights a source or a warehouse needs is decided by those who ask.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg

_ROLE: Final = "SELECT quote_ident(current_user), quote_ident(current_database())"


def missing_to_read(
    connection: psycopg.Connection[Any], schema: str, tables: Sequence[str]
) -> list[str]:
    """What the role lacks to read these tables of a schema, a statement each; raises psycopg.Error.

    A table that is not there lacks nothing.
    """
    (role, _database) = connection.execute(_ROLE).fetchone() or ("", "")
    rows = connection.execute(
        """
        SELECT quote_ident(n.nspname), format('%%I.%%I', n.nspname, c.relname),
            has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = ANY (%s) ORDER BY 2
        """,
        [schema, list(tables)],
    ).fetchall()
    found = []
    for schema_shown, table, may_use, may_read in rows:
        found += [] if may_use else [f"GRANT USAGE ON SCHEMA {schema_shown} TO {role};"]
        found += [] if may_read else [f"GRANT SELECT ON {table} TO {role};"]
    return list(dict.fromkeys(found))


def missing_to_publish(
    connection: psycopg.Connection[Any], schemas: Sequence[str], system: Sequence[str]
) -> Iterator[str]:
    """What the role lacks to publish into these schemas, and to write to those of `system`, a
    statement each; raises psycopg.Error.

    A schema that is not there is made by the first publication, which takes CREATE on the database.
    Tables that another role owns get no new columns and partitions from us.
    """
    (role, database) = connection.execute(_ROLE).fetchone() or ("", "")
    every = [*schemas, *system]
    rows = connection.execute(
        """
        SELECT name, quote_ident(name), n.oid IS NOT NULL,
            coalesce(has_schema_privilege(n.oid, 'USAGE'), FALSE),
            coalesce(has_schema_privilege(n.oid, 'CREATE'), FALSE),
            has_database_privilege(current_database(), 'CREATE')
        FROM unnest(%s::text[]) AS name LEFT JOIN pg_namespace n ON n.nspname = name
        """,
        [every],
    ).fetchall()
    if any(not is_there and not may_make for _, _, is_there, _, _, may_make in rows):
        yield f"GRANT CREATE ON DATABASE {database} TO {role};"
    for name, shown, is_there, may_use, may_create, _ in rows:
        if is_there and not (may_use and (may_create or name in system)):
            rights = "USAGE" if name in system else "USAGE, CREATE"
            yield f"GRANT {rights} ON SCHEMA {shown} TO {role};"
    foreign = connection.execute(
        """
        SELECT format('%%I.%%I', n.nspname, c.relname), n.nspname = ANY (%s),
            has_table_privilege(c.oid, 'SELECT')
            AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE')
            AND has_table_privilege(c.oid, 'DELETE')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1
        """,
        [list(system), every],
    ).fetchall()
    for table, is_system, may_write in foreign:
        if is_system and not may_write:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role};"
        elif not is_system:
            yield f"ALTER TABLE {table} OWNER TO {role};"
