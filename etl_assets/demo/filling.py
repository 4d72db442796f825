"""What filling the demo's databases has in common: each is filled once, and remembers with what."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from etl_assets.demo.plan import ShopPlan

# Counted up whenever the same plan gives other rows, so that older ones are noticed.
_GENERATOR: Final = 3

_MARKER: Final[LiteralString] = """
CREATE SCHEMA IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS {marker} (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    parameters  jsonb NOT NULL,
    rows        jsonb NOT NULL,
    fingerprint text NOT NULL,
    filled_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {marker} IS
    'The parameters that tables in schema public were filled with, and the SHA-256 of their rows.';
"""

Counts = dict[str, int]
Connection = psycopg.Connection[Any]


class FillConflictError(RuntimeError):
    """The database holds other rows, or tables that are not ours. Permanent; nothing changed."""


def fill_once(
    url: str,
    kind: str,
    plan: ShopPlan,
    fill: Callable[[Connection], tuple[Counts, str]],
    missing: Callable[[Connection, Counts], Counts] = lambda _connection, _counts: {},
) -> Counts:
    """Fill the database at `url` in one transaction, unless it is filled; its rows by table.

    `kind` (`shop`) names the marker. `fill` gives the rows by table and their fingerprint;
    `missing` adds the tables that an earlier release filled it without, and gives their rows.
    Raises FillConflictError where it was filled by another plan or there are tables that are not
    ours, and psycopg.Error as the server does.
    """
    marker = sql.Identifier("demo", f"{kind}_fill")
    parameters = {**plan.parameters(), "generator": _GENERATOR}
    with psycopg.connect(url) as connection:
        # Two processes that fill at once: the second waits, and finds it filled.
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"etl_assets.demo.{kind}"]
        )
        connection.execute(sql.SQL(_MARKER).format(marker=marker))
        found = connection.execute(
            sql.SQL("SELECT parameters, rows FROM {}").format(marker)
        ).fetchone()
        if found is None:
            filled, fingerprint = fill(connection)
            connection.execute(
                sql.SQL(
                    "INSERT INTO {} (parameters, rows, fingerprint) VALUES (%s, %s, %s)"
                ).format(marker),
                [Jsonb(parameters), Jsonb(filled), fingerprint],
            )
            return filled
        if found[0] != parameters:
            raise FillConflictError(
                f"this database holds the {kind} of {json.dumps(found[0])}, not of"
                f" {json.dumps(parameters)}: use another database, or drop this one"
            )
        counts: Counts = found[1]
        added = missing(connection, counts)
        if added:
            counts |= added
            connection.execute(sql.SQL("UPDATE {} SET rows = %s").format(marker), [Jsonb(counts)])
        return counts


def create(connection: Connection, *statements: LiteralString) -> None:
    """Create tables; raises FillConflictError where one of that name is there."""
    try:
        for statement in statements:
            connection.execute(statement)
    except psycopg.errors.DuplicateTable as error:
        raise FillConflictError(
            f"{error.diag.message_primary}, but this demo did not make it: use another database"
        ) from error


def copy_rows(connection: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows to a table, their values in the order of its columns."""
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("public", table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
