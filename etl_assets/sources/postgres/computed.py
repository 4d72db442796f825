"""Columns that the source computes, as SQL: what they are read from, and of which type they are.

They are columns of LATERAL sub-queries, which PostgreSQL takes apart again: an index on the
expression, or for a day in a zone on the column itself, serves them as if they were written out.
What a spec declares is `core/computed.py`.
"""

from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from etl_assets.core.computed import DayIn, Sql, words_of
from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.table import LayerTable
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.sqlstates import meaning_of
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.row_days import ZonedDays

COMPUTED, DAYS = "computed", "days"
"""The aliases of the sub-queries: of expressions, and of the days of moments, theirs among them."""

Found = tuple[Column, SourceColumn, str]
"""A column as declared, as in the catalogue, and quoted."""

_TYPES = """
    WITH RECURSIVE base(number, oid, typmod) AS (
        SELECT number, oid, typmod FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY
            AS given(oid, typmod, number)
        UNION ALL
        SELECT b.number, t.typbasetype, greatest(t.typtypmod, b.typmod)
        FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd'
    )
    SELECT t.typname, coalesce(d.typname, e.typname), b.typmod, format_type(b.oid, b.typmod),
           format_type(b.oid, -1), t.typcollation <> 0,
           t.typlen < 0 AND t.typname <> 'numeric'
    FROM base b
    JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    LEFT JOIN pg_type d ON d.oid = e.typbasetype
    ORDER BY b.number
"""


def read_types(
    connection: psycopg.Connection, table: LayerTable, relation: sql.Composable
) -> dict[str, SourceColumn]:
    """The columns of expressions by name, with the types that PostgreSQL gives them.

    `relation` is the table without them, from FROM on. Raises psycopg.Error, and ContractMismatch
    for an expression that is none.
    """
    names, oids, bounds = [], [], []
    for name, computed in source_table(table).computed.items():
        if not isinstance(computed, Sql):
            continue
        # With the row beside it, or a count of all rows would be an expression as well.
        query = sql.SQL("SELECT {}, t {} LIMIT 0").format(once(computed), relation)
        try:
            asked = connection.execute(query)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(("42", "0A", "22")):
                raise
            refused = _refused(table, name, error)
        else:
            assert asked.description  # noqa: S101 - it is a SELECT
            assert asked.pgresult  # noqa: S101
            names.append(name)
            oids.append(asked.description[0].type_code)
            bounds.append(asked.pgresult.fmod(0))
            continue
        raise refused
    if not names:
        return {}
    rows = connection.execute(_TYPES, [oids, bounds]).fetchall()
    return {
        name: SourceColumn(
            name=name,
            type=kind,
            element=element,
            typmod=typmod,
            shown=shown,
            cast_to=cast_to,
            is_exact=not has_collation,  # which one it is nothing tells
            is_long=is_long,
        )
        for name, (kind, element, typmod, shown, cast_to, has_collation, is_long) in zip(
            names, rows, strict=True
        )
    }


def with_computed(
    table: LayerTable, relation: sql.Composed, days: Mapping[str, ZonedDays]
) -> sql.Composed:
    """The relation with all computed columns; `days` are those in a zone."""
    computed = source_table(table).computed
    expressions = {n: once(given) for n, given in computed.items() if isinstance(given, Sql)}
    for alias, columns in ((COMPUTED, expressions), (DAYS, {n: d.value for n, d in days.items()})):
        if columns:
            named = sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(column, sql.Identifier(name))
                for name, column in columns.items()
            )
            relation = sql.SQL("{} CROSS JOIN LATERAL (SELECT {}) AS {}").format(
                relation, named, sql.SQL(alias)
            )
    return relation


def day_in(table: LayerTable, name: str, found: Found, read: ColumnRead, zone: str) -> ZonedDays:
    """The days of a `DayIn` called `name` over a column as it is `read`.

    Raises ContractMismatch for a column that holds no moments.
    """
    declared, source, plain = found
    is_naive = source.type == "timestamp"
    if source.type not in {"timestamp", "timestamptz"}:
        raise ContractMismatch(
            f"The computed column {name!r} of {table.path} is a day of {declared.name!r}, which is "
            f"{source.shown} in the source and holds no moments.",
            f"Name a column of timestamps in DayIn, in {table.declared_in}.",
        )
    if is_naive and declared.source_zone is None:
        raise ContractMismatch(
            f"The computed column {name!r} of {table.path} is a day of {declared.name!r}, which "
            "has no time zone in the source.",
            f"Declare {declared.name!r} in the contract with source_zone, in {table.declared_in}.",
        )
    return ZonedDays(
        column=plain,
        moment=read.loaded,
        source_zone=declared.source_zone if is_naive else None,
        zone=zone,
        has_nulls=is_naive and declared.ambiguous == "null",
    )


def days_of(
    table: LayerTable, find: Callable[[str], tuple[Found, ColumnRead]]
) -> dict[str, ZonedDays]:
    """The computed columns that are days in a zone; `find` gives a column of any other kind."""
    return {
        name: day_in(table, name, *find(given.column), given.zone)
        for name, given in source_table(table).computed.items()
        if isinstance(given, DayIn)
    }


def names_in(table: LayerTable) -> set[str]:
    """Every word in what the table computes: the columns that it is computed from among them."""
    return {word for given in source_table(table).computed.values() for word in words_of(given)}


def day_column(name: str) -> SourceColumn:
    """A `DayIn` as the catalogue would have it."""
    return SourceColumn(name, "date", None, -1, "date", "date")


def once(computed: Sql) -> sql.Composable:
    """The expression, one value a row; on lines of its own, because it may end in a comment.

    PostgreSQL refuses what returns sets within a CASE, and leaves out one whose condition is TRUE.
    """
    return sql.SQL(f"CASE WHEN TRUE THEN (\n{computed.expression}\n) END")


def _refused(table: LayerTable, name: str, error: psycopg.Error) -> ContractMismatch:
    state = error.sqlstate or ""
    said = error.diag.message_primary if not state.startswith("22") else meaning_of(state)
    return ContractMismatch(
        f"The computed column {name!r} of {table.path} has an expression that PostgreSQL refuses "
        f"(SQLSTATE {state}: {said}).",
        f"Correct Sql(...) in {table.declared_in}: one value for each row, of the table's columns.",
    )
