"""DuckDB's DDL, derived from contracts: types, columns, comments. No connection is opened here."""

from collections.abc import Collection
from datetime import date

import polars as pl

from etl_assets.core.contracts import struct_fields
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE, Window, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.contract_tables import description, required_columns

_PLAIN: dict[type[pl.DataType], str] = {
    pl.Boolean: "BOOLEAN",
    pl.Int16: "SMALLINT",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float32: "FLOAT",
    pl.Float64: "DOUBLE",
    pl.Date: "DATE",
    pl.Time: "TIME",
    pl.String: "VARCHAR",
    pl.Binary: "BLOB",
}

_AUDIT_TYPES = {
    "_ingested_at": "TIMESTAMP WITH TIME ZONE",
    "_source": "VARCHAR",
    "_run_id": "VARCHAR",
    "_schema_version": "VARCHAR",
}


def quote(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def relation(table: LayerTable) -> str:
    """The table's qualified, quoted name: the layer is the schema."""
    return f"{quote(table.layer)}.{quote(table.name)}"


def duckdb_type(dtype: pl.DataType) -> str:
    """The type that holds every value of a contract's dtype."""
    if isinstance(dtype, pl.Decimal):
        return f"DECIMAL({dtype.precision or 38},{dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMP WITH TIME ZONE" if dtype.time_zone else "TIMESTAMP"
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        return f"{duckdb_type(dtype.inner)}[]"
    if isinstance(dtype, pl.Struct):
        fields = struct_fields(dtype).items()
        return f"STRUCT({', '.join(f'{quote(name)} {duckdb_type(t)}' for name, t in fields)})"
    if type(dtype) in _PLAIN:
        return _PLAIN[type(dtype)]
    raise WarehouseError(
        f"DuckDB has no column type for the contract's {dtype}.",
        "Declare the column with a dtype of the type mapping in docs/adding-a-table.md.",
    )


def column_types(table: LayerTable) -> dict[str, str]:
    """Every column of the published table, audit columns last, with its type."""
    return {c.name: duckdb_type(c.dtype) for c in table.columns} | _AUDIT_TYPES


def create_table(table: LayerTable) -> str:
    """Schema, table and descriptions."""
    required = required_columns(table)
    columns = ", ".join(
        f"{quote(name)} {type_}{' NOT NULL' if name in required else ''}"
        for name, type_ in column_types(table).items()
    )
    return "\n".join(
        [
            f"CREATE SCHEMA IF NOT EXISTS {quote(table.layer)};",
            f"CREATE TABLE IF NOT EXISTS {relation(table)} ({columns});",
            f"COMMENT ON TABLE {relation(table)} IS {literal(table.description)};",
            *(comment_on(table, name) for name in column_types(table)),
        ]
    )


def comment_on(table: LayerTable, name: str) -> str:
    """The statement that describes a column."""
    text = literal(description(table, name))
    return f"COMMENT ON COLUMN {relation(table)}.{quote(name)} IS {text};"


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def within(table: LayerTable, window: Window) -> str:
    """The half-open condition on the partition column, which is a date or a timestamp.

    Of a table without days: whether the window is that of its only part.
    """
    if not table.has_days:
        return "TRUE" if window.first == WHOLE else "FALSE"
    dtype = table.column(table.day_column).dtype
    name = quote(table.day_column)
    if isinstance(dtype, pl.Date):
        return f"{name} BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone
    type_ = "TIMESTAMPTZ" if zoned else "TIMESTAMP"
    zone = "+00" if zoned else ""
    start, end = (f"{m:%Y-%m-%d} 00:00:00{zone}" for m in (window.start, window.end))
    return f"{name} >= {type_} '{start}' AND {name} < {type_} '{end}'"


def day_of(table: LayerTable, row: str = "") -> str:
    """The part (DATE) that a row is on: its UTC day; `row` is its alias with a point."""
    if not table.has_days:
        return f"DATE '{WHOLE}'"
    return f"CAST({row}{quote(table.day_column)} AS DATE)"


def on_days(table: LayerTable, days: Collection[date]) -> str:
    """The condition that a row is on one of the parts, of which there is at least one.

    Spans of the bare column: a cast of it costs ten times as much, and passes over no row group.
    """
    return f"({' OR '.join(f'({within(table, window)})' for window in windows_of(days))})"


def same_key(table: LayerTable, one: str = "s", other: str = "t") -> str:
    """The condition that two rows, by their aliases, have one key; NULL is equal to NULL."""
    signs = {c.name: "IS NOT DISTINCT FROM" if c.nullable else "=" for c in table.columns}
    return " AND ".join(
        f"{one}.{quote(name)} {signs[name]} {other}.{quote(name)}" for name in table.key
    )
