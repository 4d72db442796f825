"""Makes DuckDB tables what their contracts say, and says how to where that needs a person.

What a contract's column is in DuckDB is in `types.py`.
"""

from collections.abc import Sequence
from itertools import pairwise

import duckdb

from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.contract_tables import Fit, Statements, compared
from etl_assets.warehouse.duckdb.types import (
    column_types,
    comment_on,
    create_table,
    quote,
    relation,
)


def ensure(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> Sequence[str]:
    """Create the table, or add the columns that its contract gained: which.

    Raises WarehouseError, with the statements to run, where the published table differs otherwise.
    """
    found = fit(connection, table)
    if found is None:
        connection.execute(create_table(table))
        return ()
    wanted, statements = column_types(table), _statements(table)
    for name in found.accepted():
        connection.execute(statements.add(name, wanted[name]))
        connection.execute(comment_on(table, name))
    return found.added


def fit(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> Fit | None:
    """See `Rows.fit`."""
    if not exists(connection, table):
        _refuse_names_that_collide(connection, table)
        return None
    found, not_null = _published_columns(connection, table)
    return compared(table, column_types(table), found, not_null, _statements(table))


def _refuse_names_that_collide(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> None:
    """DuckDB keeps the case of names, and takes no notice of it: "ABC" and "abc" are one."""
    names = sorted(column_types(table), key=lambda name: (_folded(name), name))
    same = [pair for pair in pairwise(names) if _folded(pair[0]) == _folded(pair[1])]
    if same:
        raise WarehouseError(
            f"The columns {' and '.join(map(repr, same[0]))} of {table.path} differ in upper and "
            "lower case only, and DuckDB takes them for one.",
            "Leave one of them out of the contract, or rename it in a view of the source.",
        )
    there = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ?",
        [str(table.layer)],
    ).fetchall()
    found = [name for (name,) in there if _folded(name) == _folded(table.name)]
    if found:
        raise WarehouseError(
            f"The warehouse has a table {table.layer}.{found[0]}, and DuckDB takes "
            f"{table.layer}.{table.name} for the same: they differ in upper and lower case only.",
            f"Give one of them another name in {table.declared_in}, or drop the table in the file.",
        )


def _folded(name: str) -> str:
    """The name as DuckDB compares it: of A to Z only it takes no notice of the case."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def _statements(table: LayerTable) -> Statements:
    alter = f"ALTER TABLE {relation(table)}"
    aside = quote(f"{table.name}_aside")
    return Statements(
        aside=lambda *_: f"{alter} RENAME TO {aside};",
        add=lambda name, type_: f"{alter} ADD COLUMN {quote(name)} {type_};",
        drop=lambda name, _: f"{alter} DROP COLUMN {quote(name)};",
        retype=lambda name, type_: f"{alter} ALTER COLUMN {quote(name)} TYPE {type_};",
        relax=lambda name, _: f"{alter} ALTER COLUMN {quote(name)} DROP NOT NULL;",
    )


def exists(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> bool:
    """Whether the table is there."""
    found = connection.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
        [str(table.layer), table.name],
    ).fetchall()
    return bool(found)


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
