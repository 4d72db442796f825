"""Rows that are too large to be carried: which tables may have them, and how they are told in SQL.

What the reader holds of a row is its text, whole. PostgreSQL prints up to 1 GB of it and BigQuery
takes 100 MB, so a larger row is set aside, alone, on the way into any warehouse.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from etl_assets.core.set_aside import TOO_LARGE
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.value_size import MOST_COMPRESSED, ValueSize

ROW_BYTES = 100_000_000
"""The most that the texts of a row have together (bytes as hex): the bound that BigQuery has for a
row. https://cloud.google.com/bigquery/quotas"""
_UNPACKED_FROM = ROW_BYTES // MOST_COMPRESSED
_SHOWN_BYTES = 1 << 20
_ESTIMATED_FROM = 2_000  # PostgreSQL compresses and moves out of the row what makes it longer
_USUAL_COMPRESSION = 4
_SHORT_VALUE = 16

# What is long is in the table's TOAST table, whose file has what every snapshot sees. A view may
# compute what nobody stores.
_MAY_BE_LARGE = """
    WITH RECURSIVE tree(oid) AS (
        SELECT unnest(%s::text[])::regclass::oid
        UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
    )
    SELECT coalesce(bool_or(c.relkind IN ('v', 'f')), FALSE)
           OR coalesce(sum(pg_relation_size(nullif(c.reltoastrelid, 0)::regclass)), 0) > %s
    FROM tree JOIN pg_class c ON c.oid = tree.oid
"""


def may_be_large(connection: psycopg.Connection, schema: str, tables: Sequence[str]) -> bool:
    """Whether a row of these tables, joined, may be larger than ROW_BYTES; raises psycopg.Error."""
    names = [sql.Identifier(schema, name).as_string(connection) for name in tables]
    found = connection.execute(_MAY_BE_LARGE, [names, _UNPACKED_FROM]).fetchone()
    return bool(found and found[0])


def is_too_large(columns: Sequence[ColumnRead]) -> sql.Composable | None:
    """The condition that a row is, None where no column of it can be long; never NULL."""
    sizes = [f"coalesce({size.sql(_UNPACKED_FROM)}, 0)::bigint" for _, size in _sized(columns)]
    return sql.SQL(f"({' + '.join(sizes)} > {ROW_BYTES})") if sizes else None


def rule_of(columns: Sequence[ColumnRead]) -> sql.Composable:
    """The rule that a row which is too large breaks: of the column with its longest text."""
    sizes = {name: size.sql(_UNPACKED_FROM) for name, size in _sized(columns)}
    most = sql.SQL("greatest({})").format(sql.SQL(", ").join(map(sql.SQL, sizes.values())))
    cases = sql.SQL(" ").join(
        sql.SQL("WHEN {} THEN {}").format(sql.SQL(size), sql.Literal(f"{name}: {TOO_LARGE}"))
        for name, size in sizes.items()
    )
    return sql.SQL("CASE {} {} END").format(most, cases)


def shown(column: ColumnRead) -> sql.Composable:
    """The column's text as quarantine has it: of a long one its size."""
    text = sql.SQL("({})::text").format(sql.SQL(column.plain))
    if column.size is None:
        return text
    size = sql.SQL(column.size.sql(_SHOWN_BYTES // MOST_COMPRESSED))
    return sql.SQL("CASE WHEN {} > {} THEN concat({}, ' bytes') ELSE {} END").format(
        size, sql.Literal(_SHOWN_BYTES), size, text
    )


def estimated_bytes(columns: Sequence[ColumnRead]) -> sql.Composable:
    """About how many bytes a row has, told without unpacking a value."""
    sizes = [f"coalesce({_estimate(size)}, 0)::bigint" for _, size in _sized(columns)]
    return sql.SQL(" + ".join([str(_SHORT_VALUE * len(columns)), *sizes]))


def carried(columns: Sequence[ColumnRead]) -> list[sql.Composable]:
    """What a query with `estimated_bytes` has to hand on to one around it with `exact_bytes`."""
    return [sql.SQL(f"{column.plain} AS {name}") for column, _, name in _unpacked(columns)]


def exact_bytes(columns: Sequence[ColumnRead], estimate: str) -> sql.Composable:
    """How many bytes a row has; `estimate` is the column that has what was estimated."""
    more = []
    for column, size, name in _unpacked(columns):
        inside = ValueSize(
            None, size.stored.replace(column.plain, name), size.text.replace(column.plain, name)
        )
        difference = f"{inside.sql(_ESTIMATED_FROM)} - {_estimate(inside)}"
        more.append(f"coalesce({difference}, 0)::bigint")
    return sql.SQL(" + ".join([estimate, *more]))


def _sized(columns: Sequence[ColumnRead]) -> list[tuple[str, ValueSize]]:
    return [(column.name, column.size) for column in columns if column.size is not None]


def _unpacked(columns: Sequence[ColumnRead]) -> list[tuple[ColumnRead, ValueSize, str]]:
    """The columns whose size is only known when they are unpacked, each with a name of its own."""
    return [
        (column, column.size, f'"v{number}"')
        for number, column in enumerate(columns)
        # The overflow column is made of others: it stays estimated.
        if column.size and not column.size.exact and column.plain != column.size.text
    ]


def _estimate(size: ValueSize) -> str:
    if size.exact:
        return size.sql(0)
    usual = f"{_USUAL_COMPRESSION} * {size.stored}"
    return f"(CASE WHEN {size.stored} < {_ESTIMATED_FROM} THEN {size.stored} ELSE {usual} END)"
