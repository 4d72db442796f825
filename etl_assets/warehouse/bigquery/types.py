"""BigQuery's side of a contract: column types, names, and the form in which values travel.

Parquet carries most values as they are. What a load job would refuse or change travels as text in
the staging table and is parsed at publication: JSON, and bytes (also in lists) as base64.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl
from google.cloud.bigquery import SchemaField

from etl_assets.core.contracts import Column, struct_fields
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE, Window, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.contract_tables import description, required_columns
from etl_assets.warehouse.names import BIGQUERY_COLUMN, BIGQUERY_TABLE

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
_ZEROS = {
    "BOOL": "FALSE",
    "INT64": "0",
    "FLOAT64": "0.0",
    "NUMERIC": "NUMERIC '0'",
    "BIGNUMERIC": "BIGNUMERIC '0'",
    "DATE": "DATE '0001-01-01'",
    "TIME": "TIME '00:00:00'",
    "DATETIME": "DATETIME '0001-01-01 00:00:00'",
    "TIMESTAMP": "TIMESTAMP '0001-01-01 00:00:00+00'",
    "STRING": "''",
    "BYTES": "b''",
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
_MOST_SPANS = 100
_SYNONYMS = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def quote(*names: str) -> str:
    """An identifier, quoted; raises nothing, since names were checked when the table was made."""
    return ".".join(f"`{name}`" for name in names)


def check_names(table: LayerTable) -> None:
    """Raise WarehouseError for names that BigQuery has no way to write."""
    wrong = [] if BIGQUERY_TABLE.fullmatch(table.name) else [f"table {table.name!r}"]
    wrong += [f"column {c.name!r}" for c in table.columns if not BIGQUERY_COLUMN.fullmatch(c.name)]
    if wrong:
        raise WarehouseError(
            f"BigQuery takes no such name: {', '.join(wrong)} of {table.path}.",
            f"Use letters, digits, spaces, _ and - in {table.declared_in}.",
        )


def check_emulated(table: LayerTable) -> None:
    """Raise WarehouseError for decimals of which the emulator would lose digits in silence."""
    wide_decimals = [
        f"{column.name} ({column.dtype})"
        for column in table.columns
        if isinstance(column.dtype, pl.Decimal) and not _is_emulated(column.dtype)
    ]
    if wide_decimals:
        raise WarehouseError(
            f"The BigQuery emulator keeps 20 digits before the point and 18 behind it, and "
            f"{table.path} declares {', '.join(wide_decimals)}.",
            "Use BigQuery itself or another warehouse for this table, or declare fewer digits in "
            f"{table.declared_in}.",
        )


def _is_emulated(dtype: pl.Decimal) -> bool:
    whole = (dtype.precision or 38) - dtype.scale
    return _kind(dtype)["field_type"] == "NUMERIC" or (whole <= 20 and dtype.scale <= 18)


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
    """Whether a staging table holds the column as text, or as a list of texts."""
    return column.logical == "json" or isinstance(column.dtype, pl.Binary) or is_bytes_list(column)


def is_bytes_list(column: Column) -> bool:
    """Whether the column is a list of bytes."""
    return isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Binary)


def staged_schema(columns: Sequence[Column]) -> list[SchemaField]:
    """The schema of a staging table: all nullable, without audit columns."""
    return [SchemaField(c.name, **_staged_kind(c)) for c in columns]


def parsed(column: Column, alias: str) -> str:
    """The expression that makes a staged value a published one."""
    value = f"{alias}.{quote(column.name)}"
    if column.logical == "json":  # what rounding would change was refused before (`spooled.py`)
        return f"PARSE_JSON({value}, wide_number_mode => 'round')"
    if is_bytes_list(column):
        items = f"FROM UNNEST({value}) AS item WITH OFFSET AS place ORDER BY place"
        return f"ARRAY(SELECT FROM_BASE64(item) {items})"
    return f"FROM_BASE64({value})" if travels_as_text(column) else value


def parameter_type(column: Column) -> str:
    """The type of a query parameter that holds a value of the column."""
    return str(_kind(column.dtype)["field_type"])


def _staged_kind(column: Column) -> dict[str, Any]:
    if not travels_as_text(column):
        return _kind(column.dtype)
    return {"field_type": "STRING", "mode": "REPEATED" if is_bytes_list(column) else "NULLABLE"}


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
    if isinstance(inner, pl.DataType) and not isinstance(inner, pl.List):
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
    """The half-open condition on the partition column, in constants, so that it prunes.

    Of a table without days: whether the window is that of its only part.
    """
    if not table.has_days:
        return "TRUE" if window.first == WHOLE else "FALSE"
    kind = partition_type(table)
    name = alias + quote(table.day_column)
    if kind == "DATE":
        return f"{name} BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
    zone = "+00" if kind == "TIMESTAMP" else ""
    start, end = (f"{m:%Y-%m-%d} 00:00:00{zone}" for m in (window.start, window.end))
    return f"{name} >= {kind} '{start}' AND {name} < {kind} '{end}'"


def on_days(table: LayerTable, days: Collection[date], alias: str = "") -> str:
    """The condition that a row is on one of the parts, of which there is at least one.

    It prunes by constants. Many scattered days are a list within one span: a statement has at
    most a million characters.
    """
    spans = windows_of(days)
    if len(spans) > _MOST_SPANS:
        span = within(table, Window(spans[0].first, spans[-1].last), alias)
        listed = ", ".join(f"'{day}'" for day in sorted(days))
        return f"({span} AND {day_of(table, alias)} IN ({listed}))"
    return f"({' OR '.join(f'({within(table, window, alias)})' for window in spans)})"


def on_any_day(table: LayerTable, alias: str = "") -> str:
    """True of every row, for tables that refuse a query without a condition on the day."""
    if not table.has_days:
        return "TRUE"
    return f"{alias}{quote(table.day_column)} >= {partition_type(table)} '0001-01-01'"


def day_of(table: LayerTable, alias: str = "") -> str:
    """The part (DATE) that a row is on: its UTC day; `alias` is the row's with a point."""
    if not table.has_days:
        return f"DATE '{WHOLE}'"
    return f"DATE({alias}{quote(table.day_column)})"


def same_key(table: LayerTable, one: str, other: str) -> str:
    """The condition that two rows, by their aliases, have one key; NULL is equal to NULL.

    A row `s` is a staged one, whose values are parsed. Equalities of two expressions are all that
    there is: the service joins by nothing else, so neither OR nor IS NOT DISTINCT FROM will do.
    """
    equal = []
    for column in (table.column(name) for name in table.key):
        left, right = (_value(column, alias) for alias in (one, other))
        if column.nullable:
            equal.append(f"({left} IS NULL) = ({right} IS NULL)")
            zero = _ZEROS.get(parameter_type(column))
            left, right = (f"IFNULL({value}, {zero})" for value in (left, right))
        equal.append(f"{left} = {right}")
    return " AND ".join(equal)


def _value(column: Column, alias: str) -> str:
    return parsed(column, alias) if alias == "s" else f"{alias}.{quote(column.name)}"


def labels(**given: str) -> Mapping[str, str]:
    """Labels as BigQuery takes them: lower case, 63 characters of letters, digits, - and _."""
    return {
        name: re.sub(r"[^\w-]", "_", text.lower(), flags=re.ASCII)[:63]
        for name, text in given.items()
    }
