"""The platform's own tables in PostgreSQL: made, and brought up to this release.

What they are is `warehouse/system_tables.py`; what is written to them is `states.py`. Published
tables are made from their contracts, in `schema.py`.
"""

from collections.abc import Collection
from typing import Any

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.errors import WarehouseError
from etl_assets.postgres.connection import driver_of
from etl_assets.warehouse.postgres.engine import Transactions
from etl_assets.warehouse.postgres.locks import lock_schema_changes
from etl_assets.warehouse.postgres.schemas import staging_schema, system_schema
from etl_assets.warehouse.postgres.upgrading import LAST_REVISION, OLD_REVISIONS, to_version_4
from etl_assets.warehouse.postgres.write_paths import Target, names
from etl_assets.warehouse.system_tables import (
    SCHEMA,
    SCHEMA_VERSION,
    STATE,
    SYSTEM_DATASET,
    SYSTEM_TABLES,
    TABLES,
    Kind,
    SystemTable,
)

_TYPES: dict[Kind, tuple[str, pl.DataType]] = {
    Kind.TEXT: ("text", pl.String()),
    Kind.DAY: ("date", pl.Date()),
    Kind.MOMENT: ("timestamp with time zone", pl.Datetime("us", "UTC")),
    Kind.INTEGER: ("bigint", pl.Int64()),
    Kind.FLOAT: ("double precision", pl.Float64()),
}
_ONE_ROW_EACH = (TABLES, STATE)
"""The tables whose `index` names at most one row; a row of another one has an `id` of its own."""

_ENVIRONMENT = "etl_assets: the platform's tables of an environment"
"""The comment of the schema, by which an environment is known."""

_COMPLETE = "etl_assets: the platform's tables are complete"


def target_of(table: SystemTable) -> Target:
    """The table to write to."""
    return Target(system_schema(), table.name, {c.name: _TYPES[c.kind][0] for c in table.columns})


def schema_of(table: SystemTable) -> pl.Schema:
    """The table's columns as Polars has them."""
    return pl.Schema({column.name: _TYPES[column.kind][1] for column in table.columns})


def columns_there(connection: sa.Connection, table: SystemTable) -> list[str]:
    """Those of the table's columns that are there; none where it is not.

    A connection that has seen all that this release has asks no more: nothing is taken away.
    """
    if connection.info.get(_COMPLETE):
        return list(table.names)
    rows = driver_of(connection).execute(
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_namespace n "
        "ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE n.nspname = %s AND c.relkind = 'r' AND NOT a.attisdropped",
        [system_schema()],
    )
    there = set(rows.fetchall())
    wanted = {known: [(known.name, name) for name in known.names] for known in SYSTEM_TABLES}
    if all(there.issuperset(columns) for columns in wanted.values()):
        connection.info[_COMPLETE] = True
    return [name for of, name in wanted[table] if (of, name) in there]


def version_of(connection: sa.Connection) -> int | None:
    """The SCHEMA_VERSION that wrote here last: 3 for any release before version 4, None if nobody
    ever wrote here. Raises WarehouseError for one of a newer release."""
    version: int | None = None
    if columns_there(connection, SCHEMA):
        found = _scalar(connection, f"SELECT max(version) FROM {system_schema()}.{SCHEMA.name}")  # noqa: S608
        version = 3 if found is None else int(found)
        if version > SCHEMA_VERSION:
            raise _ahead(
                f"its tables are of version {version}; this release knows {SCHEMA_VERSION}"
            )
        return version
    if (revision := _revision(connection)) is not None:
        if revision not in OLD_REVISIONS:
            raise _ahead(f"revision {revision}; this release knows {LAST_REVISION}")
        version = 3
    return 3 if columns_there(connection, STATE) else version


def upgrade(transactions: Transactions) -> int | None:
    """Make the tables what this release needs; the version before.

    Any number of processes may call it at once. Raises WarehouseError where the database is ahead
    of this release, or where the role may not.
    """

    def work(connection: sa.Connection) -> int | None:
        lock_schema_changes(connection)
        before = version_of(connection)
        if before != SCHEMA_VERSION:
            _upgrade(connection, before)
        return before

    return transactions.run("migrating the platform's tables", work)


def _upgrade(connection: sa.Connection, before: int | None) -> None:
    driver = driver_of(connection)
    for schema in (system_schema(), staging_schema()):
        create_schema(connection, schema)
    if system_schema() != SYSTEM_DATASET:
        mark = sql.SQL("COMMENT ON SCHEMA {} IS {}")
        driver.execute(mark.format(sql.Identifier(system_schema()), sql.Literal(_ENVIRONMENT)))
    for table in SYSTEM_TABLES:
        for statement in _missing(table, columns_there(connection, table)):
            driver.execute(statement)
    if before is not None and before < 4:
        for text in to_version_4(has_revision=_revision(connection) is not None):
            driver.execute(text.encode())
    schema_table = target_of(SCHEMA).relation
    driver.execute(sql.SQL("DELETE FROM {}").format(schema_table))
    driver.execute(
        sql.SQL("INSERT INTO {} VALUES ({})").format(schema_table, sql.Literal(SCHEMA_VERSION))
    )


def create_schema(connection: sa.Connection, name: str) -> None:
    """Create a schema unless it is there: then it takes no right to create one."""
    there = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    if connection.scalar(there, {"name": name}) is None:
        connection.execute(sa.schema.CreateSchema(name))


def environments(connection: sa.Connection) -> list[str]:
    """The environments that were made here; a schema of somebody else is none by its name."""
    found = connection.scalars(
        sa.text(
            "SELECT nspname::text FROM pg_namespace "
            "WHERE obj_description(oid, 'pg_namespace') = :mark"
        ),
        {"mark": _ENVIRONMENT},
    )
    return sorted(name.removesuffix(f"_{SYSTEM_DATASET}") for name in found)


def drop_schemas(connection: sa.Connection, names: Collection[str]) -> list[str]:
    """Drop these schemas with all that is in them; which were there."""
    found = connection.scalars(
        sa.text("SELECT nspname::text FROM pg_namespace WHERE nspname = ANY(:names)"),
        {"names": list(names)},
    ).all()
    for name in found:
        driver_of(connection).execute(
            sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name))
        )
    return sorted(found)


def _missing(table: SystemTable, there: Collection[str]) -> list[sql.Composed]:
    """What makes the table, or adds the columns that a later release added."""
    relation = target_of(table).relation
    if there:
        return [
            sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                relation, sql.Identifier(column.name), sql.SQL(_TYPES[column.kind][0])
            )
            for column in table.columns
            if column.name not in there
        ]
    columns = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(_TYPES[column.kind][0]),
            sql.SQL(" NOT NULL" if column.required else ""),
        )
        for column in table.columns
    ]
    index = names(table.index)
    more: list[sql.Composed] = []
    if table in _ONE_ROW_EACH:
        columns.append(sql.SQL("PRIMARY KEY ({})").format(index))
    elif table.index:
        columns.insert(0, sql.SQL("id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY").format())
        more.append(sql.SQL("CREATE INDEX ON {} ({})").format(relation, index))
    return [sql.SQL("CREATE TABLE {} ({})").format(relation, sql.SQL(", ").join(columns)), *more]


def _revision(connection: sa.Connection) -> str | None:
    """What a release before version 4 wrote, None where there was none."""
    revision = f"{system_schema()}.alembic_version"
    if _scalar(connection, f"SELECT to_regclass('{revision}')") is None:
        return None
    found = _scalar(connection, f"SELECT version_num FROM {revision}")  # noqa: S608 - our name
    return str(found) if found else None


def _scalar(connection: sa.Connection, query: str) -> Any:
    return connection.scalar(sa.text(query))


def _ahead(told: str) -> WarehouseError:
    return WarehouseError(
        f"A newer release of etl_assets has written to this warehouse ({told}).",
        "Install that release here as well, or name another database in WAREHOUSE_URL.",
    )
