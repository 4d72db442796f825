"""Makes PostgreSQL tables what their contracts say, and says how to where that needs a person.

What a contract's column is in PostgreSQL is `types.py`, a table's days are `partitions.py`.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.postgres.connection import driver_of
from etl_assets.warehouse.contract_tables import (
    Fit,
    Statements,
    compared,
    description,
    required_columns,
)
from etl_assets.warehouse.names import POSTGRES_COLUMNS, POSTGRES_LONGEST
from etl_assets.warehouse.postgres.locks import lock_schema_changes
from etl_assets.warehouse.postgres.schemas import layer_schema
from etl_assets.warehouse.postgres.system import create_schema
from etl_assets.warehouse.postgres.types import column_types, nullable_key, relation
from etl_assets.warehouse.postgres.write_paths import names

LONGEST_NAME, MOST_COLUMNS = POSTGRES_LONGEST, POSTGRES_COLUMNS
"""There may be fewer columns of wide types, which 54011 tells."""
_NULLS_NOT_DISTINCT = 150000
"""The first server version whose unique indexes can hold NULL equal to NULL."""
_RANGED = (pl.Int16, pl.Int32, pl.Int64, pl.Decimal, pl.Date, pl.Datetime)

_COLUMNS = sa.text("""
    SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
    WHERE attrelid = to_regclass(:relation) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
""")
_PARTITIONED_BY = sa.text("""
    SELECT a.attname FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(:relation) AND p.partstrat = 'r' AND p.partnatts = 1
""")
_UNIQUE_INDEXES = sa.text("""
    SELECT i.indexrelid::regclass::text, array_agg(a.attname::text) FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = to_regclass(:relation) AND i.indisunique GROUP BY i.indexrelid
""")


def unique_key(table: LayerTable) -> list[str]:
    """The key with the partition column, which a unique index of a partitioned table must have."""
    return list(dict.fromkeys([*table.key, *filter(None, [table.partition_column])]))


def ensure(connection: sa.Connection, table: LayerTable) -> Sequence[str]:
    """Create the table, or add the columns that its contract gained: which.

    Raises WarehouseError, with the statements to run, where the published table differs otherwise.
    """
    there = fit(connection, table)
    if there is not None and not there.accepted():
        return ()
    lock_schema_changes(connection)
    there = fit(connection, table)  # somebody else may have been faster
    if there is None:
        _refuse_old_server(connection, table)
        create_schema(connection, layer_schema(table.layer))
        driver_of(connection).execute(_create_table(table))
        return ()
    statements, types = _statements(table), column_types(table)
    for name in there.accepted():
        driver_of(connection).execute(statements.add(name, types[name]).encode())
        driver_of(connection).execute(_comment_on(table, name))
    return there.added


def fit(connection: sa.Connection, table: LayerTable) -> Fit | None:
    """See `Rows.fit`."""
    _refuse_long_names(table)
    _refuse_too_many_columns(table)
    types = column_types(table)
    rows = connection.execute(_COLUMNS, _named(table)).all()
    if not rows:
        return None
    found = {name: type_ for name, type_, _ in rows}
    not_null = {name for name, _, strict in rows if strict}
    there = compared(table, types, found, not_null, _statements(table))
    partitioning = _other_partitioning(connection, table)
    return replace(there, error=partitioning or there.error or _other_key(connection, table))


def exists(connection: sa.Connection, table: LayerTable) -> bool:
    """Whether the table is there."""
    found = connection.scalar(sa.text("SELECT to_regclass(:relation)"), _named(table))
    return found is not None


def _other_partitioning(connection: sa.Connection, table: LayerTable) -> WarehouseError | None:
    found, wanted = connection.scalar(_PARTITIONED_BY, _named(table)), table.partition_column
    if found == wanted:
        return None
    difference = f"not partitioned by {wanted}" if wanted else f"partitioned by {found}"
    return WarehouseError(
        f"The contract of {table.path} no longer fits the published table (it is {difference}).",
        f"Change the contract back, or migrate the table: {_aside(table)} "
        f"Then load {'its days' if wanted else 'it'} again.",
    )


def _refuse_old_server(connection: sa.Connection, table: LayerTable) -> None:
    nullable, server = nullable_key(table), driver_of(connection).info.server_version
    if nullable and server < _NULLS_NOT_DISTINCT:
        raise WarehouseError(
            f"The key of {table.path} has columns that may be NULL ({', '.join(nullable)}); a "
            f"unique index on them needs PostgreSQL 15, and the server is {server // 10000}.",
            "Use a newer server, or make these columns not nullable in the contract and its "
            "transform.",
        )


def _other_key(connection: sa.Connection, table: LayerTable) -> WarehouseError | None:
    key = unique_key(table)
    found = connection.execute(_UNIQUE_INDEXES, _named(table)).all()
    if any(set(columns) == set(key) for _, columns in found):
        return None
    create = f"{_create_index(table).as_string()};"
    mends = [*(f"DROP INDEX {index};" for index, _ in found), create]
    return WarehouseError(
        f"The published table of {table.path} has no unique index on {', '.join(key)}, "
        "which its contract's key needs.",
        f"Change the contract back, or migrate the table: {' '.join(mends)}",
    )


def _create_table(table: LayerTable) -> sql.Composed:
    required = required_columns(table)
    types = column_types(table)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(name), sql.SQL(type_), sql.SQL(" NOT NULL" if name in required else "")
        )
        for name, type_ in types.items()
    )
    statements = [
        sql.SQL("CREATE TABLE {} ({})").format(relation(table), columns),
        _create_index(table),
        sql.SQL("COMMENT ON TABLE {} IS {}").format(
            relation(table), sql.Literal(table.description)
        ),
        *(_comment_on(table, name) for name in types),
    ]
    if table.has_days:
        statements[0] += sql.SQL(" PARTITION BY RANGE ({})").format(
            sql.Identifier(table.day_column)
        )
    if ranged := _ranged_columns(table):
        # Hours of a day, and what changed since a moment: rows come about in that order, and a BRIN
        # costs next to nothing to keep. Days themselves are partitions.
        brin = sql.SQL("CREATE INDEX ON {} USING brin ({}) WITH (autosummarize = on)")
        statements.append(brin.format(relation(table), names(ranged)))
    return sql.SQL("; ").join(statements)


def _create_index(table: LayerTable) -> sql.Composed:
    """The unique index on the key: a row by its key, and no key twice, NULL or not."""
    index = sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(
        relation(table), names(unique_key(table))
    )
    return index + sql.SQL(" NULLS NOT DISTINCT") if nullable_key(table) else index


def _ranged_columns(table: LayerTable) -> list[str]:
    cursor = table.cursor.columns if table.cursor else ()
    ranged = [name for name in cursor if isinstance(table.column(name).dtype, _RANGED)]
    found = [table.partition_column, *ranged]
    return list(dict.fromkeys(filter(None, found)))


def _comment_on(table: LayerTable, name: str) -> sql.Composed:
    return sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
        relation(table), sql.Identifier(name), sql.Literal(description(table, name))
    )


def _statements(table: LayerTable) -> Statements:
    alter = f"ALTER TABLE {relation(table).as_string()}"

    def quoted(name: str) -> str:
        return sql.Identifier(name).as_string()

    def retype(name: str, type_: str) -> str:
        if name == table.partition_column:  # no ALTER changes what a table is partitioned by
            return _aside(table)
        return f"{alter} ALTER COLUMN {quoted(name)} TYPE {type_} USING {quoted(name)}::{type_};"

    return Statements(
        aside=lambda *_: _aside(table),
        add=lambda name, type_: f"{alter} ADD COLUMN {quoted(name)} {type_};",
        drop=lambda name, _: f"{alter} DROP COLUMN {quoted(name)};",
        retype=retype,
        relax=lambda name, _: f"{alter} ALTER COLUMN {quoted(name)} DROP NOT NULL;",
    )


def _aside(table: LayerTable) -> str:
    """The statement that puts a table aside, for one that is made anew."""
    aside = sql.Identifier(f"{table.name.encode()[:50].decode(errors='ignore')}_aside")
    return f"ALTER TABLE {relation(table).as_string()} RENAME TO {aside.as_string()};"


def _refuse_long_names(table: LayerTable) -> None:
    long = [n for n in (table.name, *column_types(table)) if len(n.encode()) > LONGEST_NAME]
    if long:
        raise WarehouseError(
            f"PostgreSQL would cut names of {table.path} off after "
            f"{count_of(LONGEST_NAME, 'byte')}: "
            f"{', '.join(long)}.",
            f"Give the table or the columns shorter names in {table.declared_in}.",
        )


def _refuse_too_many_columns(table: LayerTable) -> None:
    """PostgreSQL would refuse with a message that does not count our own columns (54011)."""
    over = len(column_types(table)) - MOST_COLUMNS
    if over > 0:
        own = len(column_types(table)) - len(table.columns)
        raise WarehouseError(
            f"{table.path} has {count_of(len(table.columns), 'column')}, and PostgreSQL holds "
            f"{MOST_COLUMNS - own:,} beside the {own} that the platform adds.",
            f"Leave at least {over:,} of them out of the contract in {table.declared_in}.",
        )


def _named(table: LayerTable) -> dict[str, str]:
    return {"relation": relation(table).as_string()}
