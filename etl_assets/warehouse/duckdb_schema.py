"""Makes DuckDB tables what their contracts say, and says how to where that needs a person.

What a contract's column is in DuckDB is in `duckdb_types.py`.
"""

import duckdb

from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.duckdb_types import (
    SYSTEM_TABLES,
    column_types,
    comment_on,
    create_table,
    quote,
    relation,
    required_columns,
)


def ensure(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> None:
    """Create the table, or add the nullable columns that its contract gained.

    Raises WarehouseError, with the statements to run, where the published table differs otherwise.
    """
    connection.execute(SYSTEM_TABLES)
    if not exists(connection, table):
        connection.execute(create_table(table))
        return
    found, not_null = _published_columns(connection, table)
    wanted, required = column_types(table), required_columns(table)
    added = [name for name in wanted if name not in found]
    gone = [name for name in found if name not in wanted]
    kept = [name for name in found if name in wanted]
    retyped = [name for name in kept if found[name] != wanted[name]]
    stricter = [name for name in wanted if name in required - not_null]
    looser = [name for name in kept if name in not_null - required]
    alter = f"ALTER TABLE {relation(table)}"
    additions = [f"{alter} ADD COLUMN {quote(name)} {wanted[name]};" for name in added]
    if not (gone or retyped or stricter or looser):
        for name, statement in zip(added, additions, strict=True):
            connection.execute(statement)
            connection.execute(comment_on(table, name))
        return
    changes = {
        "gone": (gone, "DROP COLUMN {name}"),
        "retyped": (retyped, "ALTER COLUMN {name} TYPE {type}"),
        "required now": (stricter, "ALTER COLUMN {name} SET NOT NULL"),
        "no longer required": (looser, "ALTER COLUMN {name} DROP NOT NULL"),
    }
    statements = additions + [
        f"{alter} {change.format(name=quote(name), type=wanted.get(name))};"
        for names, change in changes.values()
        for name in names
    ]
    told = "; ".join(f"{what}: {', '.join(names)}" for what, (names, _) in changes.items() if names)
    raise WarehouseError(
        f"The contract of {table.path} no longer fits the published table ({told}).",
        f"Change the contract back, or migrate the table: {' '.join(statements)}",
    )


def exists(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> bool:
    """Whether the table is there."""
    found = connection.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
        [str(table.layer), table.name],
    ).fetchone()
    return bool(found and found[0])


def _published_columns(
    connection: duckdb.DuckDBPyConnection, table: LayerTable
) -> tuple[dict[str, str], set[str]]:
    """Types by name, and the names of the columns that are NOT NULL."""
    rows = connection.execute(
        "SELECT column_name, data_type, is_nullable = 'NO' FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ?",
        [str(table.layer), table.name],
    ).fetchall()
    return {name: type_ for name, type_, _ in rows}, {name for name, _, strict in rows if strict}
