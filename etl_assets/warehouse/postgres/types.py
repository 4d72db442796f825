"""A contract's columns in PostgreSQL: types, how a value is written and how it is read back.

Scalars have PostgreSQL's own types, lists of them arrays. Structs and lists of lists are `json`:
booleans, integers and floats as JSON has them, everything else as text (decimals, moments, bytes in
hex), since a JSON number has no scale. No connection is opened here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import polars as pl
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE, Window, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.postgres import arrow_types
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import ColumnRead, read_column
from etl_assets.warehouse.postgres.json_form import from_wire, json_text, wire_dtype, without_json
from etl_assets.warehouse.postgres.schemas import layer_schema

_PLAIN: dict[type[pl.DataType], str] = {
    pl.Boolean: "boolean",
    pl.Int16: "smallint",
    pl.Int32: "integer",
    pl.Int64: "bigint",
    pl.Float32: "real",
    pl.Float64: "double precision",
    pl.Date: "date",
    pl.Time: "time without time zone",
    pl.String: "text",
    pl.Binary: "bytea",
}

AUDIT_TYPES: Mapping[str, str] = {
    "_ingested_at": "timestamp with time zone",
    "_source": "text",
    "_run_id": "text",
    "_schema_version": "text",
}

_JSON = "json"  # not jsonb, which keeps neither the text nor a NUL in it


def column_type(column: Column) -> str:
    """The type that holds every value of a contract's column, in `format_type`'s spelling.

    Raises WarehouseError where there is none.
    """
    return _JSON if column.logical == "json" else _type(column.dtype)


def _type(dtype: pl.DataType) -> str:
    if _is_nested(dtype):
        wire_dtype(dtype)  # refuses what JSON has no form for
        return _JSON
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        return f"{_type(dtype.inner)}[]"
    if isinstance(dtype, pl.Decimal):
        return f"numeric({dtype.precision or 38},{dtype.scale})"
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us":
        if dtype.time_zone in {None, "UTC"}:
            return f"timestamp with{'' if dtype.time_zone else 'out'} time zone"
    elif type(dtype) in _PLAIN:
        return _PLAIN[type(dtype)]
    raise no_type(dtype)


def no_type(dtype: pl.DataType) -> WarehouseError:
    """The error of a dtype that no column holds."""
    return WarehouseError(
        f"PostgreSQL has no column type for the contract's {dtype}.",
        "Declare the column with a dtype of the type mapping in docs/adding-a-table.md.",
    )


def _is_nested(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Struct) or (
        isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.List | pl.Struct)
    )


def column_types(table: LayerTable) -> dict[str, str]:
    """Every column of the published table, audit columns last, with its type."""
    return {c.name: column_type(c) for c in table.columns} | dict(AUDIT_TYPES)


def encoded(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """The frame with every value in a form whose CSV text PostgreSQL reads exactly.

    Raises WarehouseError where a value has none: NUL in text, nanoseconds, NaN in a struct.
    """
    for column in columns:
        _refuse_unwritable(frame, column)
    return frame.select(
        (
            json_text(pl.col(c.name), c.dtype)
            if _is_nested(c.dtype)
            else _array(pl.col(c.name), c.dtype.inner)
            if isinstance(c.dtype, pl.List) and isinstance(c.dtype.inner, pl.DataType)
            else _scalar(pl.col(c.name), c.dtype)
        ).alias(c.name)
        for c in columns
    )


def _scalar(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return pl.lit("\\x") + value.bin.encode("hex") if isinstance(dtype, pl.Binary) else value


def _array(value: pl.Expr, inner: pl.DataType) -> pl.Expr:
    """`{"1",NULL}`: every element quoted, so that none is taken for NULL or a delimiter."""
    text = _element_text(pl.element(), inner)
    for special in ("\\", '"'):
        text = text.str.replace_all(special, f"\\{special}", literal=True)
    quoted = pl.lit('"') + text + pl.lit('"')
    elements = value.list.eval(pl.coalesce(quoted, pl.lit("NULL"))).list.join(",")
    return pl.lit("{") + elements + pl.lit("}")


def _element_text(element: pl.Expr, inner: pl.DataType) -> pl.Expr:
    if isinstance(inner, pl.String):
        return element
    if isinstance(inner, pl.Datetime):
        return element.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" + ("+00" if inner.time_zone else ""))
    if isinstance(inner, pl.Date):
        return element.dt.strftime("%Y-%m-%d")
    if isinstance(inner, pl.Time):
        return element.dt.strftime("%H:%M:%S%.6f")
    return _scalar(element, inner).cast(pl.String)


def _refuse_unwritable(frame: pl.DataFrame, column: Column) -> None:
    values = frame[column.name]
    name = f"Column {column.name!r}"
    while isinstance(values.dtype, pl.List) and not _is_nested(values.dtype):
        values = values.explode()
    if values.dtype == pl.String and values.str.contains("\0", literal=True).any():
        raise WarehouseError(
            f"{name} holds text with a zero byte, which PostgreSQL's text cannot hold.",
            "Take it out in the transform, or declare the column as pl.Binary.",
        )
    if values.dtype == pl.Time and (values.cast(pl.Int64) % 1000 != 0).any():
        raise WarehouseError(
            f"{name} holds times of day finer than a microsecond, which PostgreSQL would round.",
            "Round them in the transform.",
        )
    if _is_nested(values.dtype) and without_json(values):
        raise WarehouseError(
            f"{name} holds NaN, an infinity or a time finer than a microsecond inside a struct or "
            "a nested list; it is kept as JSON, which has no form for that.",
            "Replace such values with null in the transform, or give them a column of their own.",
        )


def read_as(column: Column, expression: str) -> ColumnRead:
    """How COPY reads the column back into the contract's dtype; `expression` is quoted already."""
    if _is_nested(column.dtype):
        text = pl.lit('{"v":') + pl.col(column.name) + pl.lit("}")
        wire = pl.Struct({"v": wire_dtype(column.dtype)})
        value = text.str.json_decode(wire).struct.field("v")
        finish = from_wire(value, column.dtype).alias(column.name)
        select = f"{expression}::text"
        return ColumnRead(column.name, select, arrow_types.STRING, expression, finish=finish)
    type_ = column_type(column)
    return read_column(column, _as_found(column.name, type_), expression)


def _as_found(name: str, type_: str) -> SourceColumn:
    """What the catalogue says of a column that `column_type` made."""
    base = type_.removesuffix("[]")
    typmod = -1
    if base.startswith("numeric("):
        precision, scale = map(int, base[8:-1].split(","))
        base, typmod = "numeric", (precision << 16 | scale) + 4
    internal = _INTERNAL.get(base, base)
    is_array = type_.endswith("[]")
    return SourceColumn(
        name,
        f"_{internal}" if is_array else internal,
        internal if is_array else None,
        typmod,
        type_,
    )


_INTERNAL = {
    "boolean": "bool",
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "time without time zone": "time",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


def relation(table: LayerTable) -> sql.Identifier:
    """The table's qualified name: the layer is the schema."""
    return sql.Identifier(layer_schema(table.layer), table.name)


def bounds(table: LayerTable, window: Window) -> tuple[sql.Composed, sql.Composed]:
    """Start and end of the half-open window as constants of the partition column's type."""
    dtype = table.column(table.day_column).dtype
    if isinstance(dtype, pl.Date):
        return tuple(  # type: ignore[return-value]  # two in, two out
            sql.SQL("DATE {}").format(sql.Literal(m.date().isoformat()))
            for m in (window.start, window.end)
        )
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone
    type_, zone = ("TIMESTAMPTZ", "+00") if zoned else ("TIMESTAMP", "")
    return tuple(  # type: ignore[return-value]
        sql.SQL(f"{type_} {{}}").format(sql.Literal(f"{m.date().isoformat()} 00:00:00{zone}"))
        for m in (window.start, window.end)
    )


def within(table: LayerTable, window: Window, row: str | None = None) -> sql.Composed:
    """The half-open condition on the partition column; constants, so that partitions are pruned.

    `row` is the table's alias where the column's name alone could be another table's. Of a table
    without days: whether the window is that of its only part.
    """
    if not table.has_days:
        return sql.SQL("TRUE" if window.first == WHOLE else "FALSE").format()
    start, end = bounds(table, window)
    column = sql.Identifier(*filter(None, [row]), table.day_column)
    return sql.SQL("{c} >= {} AND {c} < {}").format(start, end, c=column)


def on_days(table: LayerTable, days: Iterable[date], row: str | None = None) -> sql.Composable:
    """The condition that a row is on one of the parts; see `within`."""
    windows = [sql.SQL("({})").format(within(table, w, row)) for w in windows_of(days)]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(windows)) if windows else sql.SQL("FALSE")


def day_of(table: LayerTable, row: str) -> sql.Composed:
    """The part (date) that a row is on, by its alias."""
    if not table.has_days:
        return sql.SQL("DATE {}").format(sql.Literal(WHOLE.isoformat()))
    return sql.SQL("CAST({} AS date)").format(sql.Identifier(row, table.day_column))


def quoted_in(row: str) -> Callable[[str], str]:
    """Quotes columns of a row, by its alias."""
    return lambda name: sql.Identifier(row, name).as_string()


def nullable_key(table: LayerTable) -> list[str]:
    """The key's columns that may be NULL in the published table; its partition column is none."""
    return [
        name for name in table.key if table.column(name).nullable and name != table.partition_column
    ]


def same_key(table: LayerTable, one: str = "s", other: str = "t") -> sql.Composed:
    """The condition that two rows, by their aliases, have one key; NULL is equal to NULL."""
    nullable = nullable_key(table)
    return sql.SQL(" AND ").join(
        _same(table.column(name), one, other, nullable=name in nullable) for name in table.key
    )


def _same(column: Column, one: str, other: str, *, nullable: bool) -> sql.Composed:
    condition = "{} = {}"
    if nullable:
        # Arrays are equal if their elements are, NULL or not. That can be hashed; IS NOT DISTINCT
        # FROM cannot, and would compare each row with each.
        is_list = isinstance(column.dtype, pl.List)
        condition = "{} IS NOT DISTINCT FROM {}" if is_list else "ARRAY[{}] = ARRAY[{}]"
    return sql.SQL(condition).format(
        sql.Identifier(one, column.name), sql.Identifier(other, column.name)
    )
