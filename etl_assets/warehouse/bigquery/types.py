"""BigQuery's side of a contract: column types, names, and the form in which values travel.

Parquet carries most values as they are. What a load job would refuse or change travels as text in
the staging table and is parsed at publication: JSON, and bytes as base64.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from google.cloud.bigquery import SchemaField

from etl_assets.core.contracts import Column, struct_fields
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.contract_tables import description, required_columns

_PLAIN: dict[type[pl.DataType], str] = {
    pl.Boolean: "BOOL",
    pl.Int16: "INT64",
    pl.Int32: "INT64",
    pl.Int64: "INT64",
    pl.Float32: "FLOAT64",
    pl.Float64: "FLOAT64",
    pl.Date: "DATE",
    pl.Time: "TIME",
    pl.String: "STRING",
    pl.Binary: "BYTES",
}
_AUDIT_TYPES = {
    "_ingested_at": "TIMESTAMP",
    "_source": "STRING",
    "_run_id": "STRING",
    "_schema_version": "STRING",
}
# NUMERIC holds 29 digits before the point and 9 behind it, BIGNUMERIC all that Polars has.
_NUMERIC_WHOLE, _NUMERIC_SCALE = 29, 9
_CLUSTERABLE = {"INT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "DATETIME", "STRING", "TIMESTAMP"}
_MOST_CLUSTERED = 4
_SYNONYMS = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
# https://cloud.google.com/bigquery/docs/tables#table_naming, …/schemas#flexible-column-names
_TABLE_NAME = re.compile(r"[\w\- ]{1,1024}")
_COLUMN_NAME = re.compile(r"[^!\"$()*,./;?@\[\\\]^`{}~\x00-\x1f]{1,300}")


def quote(*names: str) -> str:
    """An identifier, quoted; raises nothing, since names were checked when the table was made."""
    return ".".join(f"`{name}`" for name in names)


def check_names(table: LayerTable) -> None:
    """Raise WarehouseError for names that BigQuery has no way to write."""
    wrong = [] if _TABLE_NAME.fullmatch(table.name) else [f"table {table.name!r}"]
    wrong += [f"column {c.name!r}" for c in table.columns if not _COLUMN_NAME.fullmatch(c.name)]
    if wrong:
        raise WarehouseError(
            f"BigQuery takes no such name: {', '.join(wrong)} of {table.path}.",
            "Use letters, digits, spaces, _ and - in its module in etl_assets/tables/.",
        )


def column_types(table: LayerTable) -> dict[str, str]:
    """Every column of the published table, audit columns last, with its type as DDL writes it."""
    return {field.name: type_of(field) for field in published_schema(table)}


def published_schema(table: LayerTable) -> list[SchemaField]:
    """The published table's schema: modes and descriptions from the contract.

    Raises WarehouseError for a dtype that BigQuery has no column for.
    """
    required = required_columns(table)

    def field(name: str, **kind: Any) -> SchemaField:
        mode = kind.pop("mode", "REQUIRED" if name in required else "NULLABLE")
        return SchemaField(name, mode=mode, description=description(table, name), **kind)

    own = [
        field(c.name, **({"field_type": "JSON"} if c.logical == "json" else _kind(c.dtype)))
        for c in table.columns
    ]
    return own + [field(name, field_type=type_) for name, type_ in _AUDIT_TYPES.items()]


def travels_as_text(column: Column) -> bool:
    """Whether a staging table holds the column as text."""
    return column.logical == "json" or isinstance(column.dtype, pl.Binary)


def staged_schema(columns: Sequence[Column]) -> list[SchemaField]:
    """The schema of a staging table: all nullable, without audit columns."""
    return [
        SchemaField(c.name, **({"field_type": "STRING"} if travels_as_text(c) else _kind(c.dtype)))
        for c in columns
    ]


def parsed(column: Column, alias: str) -> str:
    """The expression that makes a staged value a published one."""
    value = f"{alias}.{quote(column.name)}"
    if column.logical == "json":  # what rounding would change was refused before (`spooled.py`)
        return f"PARSE_JSON({value}, wide_number_mode => 'round')"
    return f"FROM_BASE64({value})" if travels_as_text(column) else value


def _kind(dtype: pl.DataType) -> dict[str, Any]:
    """The part of a SchemaField that follows from a dtype."""
    if isinstance(dtype, pl.Decimal):
        precision, scale = dtype.precision or 38, dtype.scale
        small = scale <= _NUMERIC_SCALE and precision - scale <= _NUMERIC_WHOLE
        kind = "NUMERIC" if small else "BIGNUMERIC"
        return {"field_type": kind, "precision": precision, "scale": scale}
    if isinstance(dtype, pl.Datetime):
        return {"field_type": "TIMESTAMP" if dtype.time_zone else "DATETIME"}
    if isinstance(dtype, pl.Struct):
        members = [SchemaField(n, **_kind(t)) for n, t in struct_fields(dtype).items()]
        return {"field_type": "RECORD", "fields": members}
    if type(dtype) in _PLAIN:
        return {"field_type": _PLAIN[type(dtype)]}
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    if isinstance(inner, pl.DataType) and not isinstance(inner, pl.List | pl.Binary):
        return {**_kind(inner), "mode": "REPEATED"}
    raise WarehouseError(
        f"BigQuery has no column type for the contract's {dtype}.",
        'Declare the column as pl.String with logical="json", or with a dtype of the type mapping '
        "in docs/adding-a-table.md.",
    )


def type_of(field: SchemaField) -> str:
    """A column's type as DDL writes it."""
    kind = _SYNONYMS.get(field.field_type, field.field_type)
    if kind in {"RECORD", "STRUCT"}:
        members = ", ".join(f"{quote(inner.name)} {type_of(inner)}" for inner in field.fields)
        kind = f"STRUCT<{members}>"
    elif field.precision is not None:
        kind = f"{kind}({field.precision}, {field.scale or 0})"
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def wide(type_: str) -> str:
    """The type without precision and scale."""
    return re.sub(r"\(\d+, \d+\)", "", type_)


def clustering(table: LayerTable) -> list[str]:
    """The key's columns, as far as BigQuery can cluster by them."""
    types = column_types(table)
    return [name for name in table.key if types[name].split("(")[0] in _CLUSTERABLE][
        :_MOST_CLUSTERED
    ]


def partition_type(table: LayerTable) -> str:
    """DATE, TIMESTAMP or DATETIME: the type of the partition column."""
    return column_types(table)[table.day_column]


def within(table: LayerTable, window: Window, alias: str = "") -> str:
    """The half-open condition on the partition column, in constants, so that it prunes."""
    kind = partition_type(table)
    name = alias + quote(table.day_column)
    if kind == "DATE":
        return f"{name} BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
    zone = "+00" if kind == "TIMESTAMP" else ""
    start, end = (f"{m:%Y-%m-%d} 00:00:00{zone}" for m in (window.start, window.end))
    return f"{name} >= {kind} '{start}' AND {name} < {kind} '{end}'"


def labels(**given: str) -> Mapping[str, str]:
    """Labels as BigQuery takes them: lower case, 63 characters of letters, digits, - and _."""
    return {
        name: re.sub(r"[^\w-]", "_", text.lower(), flags=re.ASCII)[:63]
        for name, text in given.items()
    }
