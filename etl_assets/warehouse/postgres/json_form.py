"""Structs and nested lists as JSON text that loses nothing, and the way back.

JSON has booleans, numbers and text. Decimals, moments and bytes travel as text; NaN and the
infinities have no form at all and are found by `without_json`.
"""

import polars as pl

from etl_assets.core.contracts import struct_fields
from etl_assets.core.errors import WarehouseError

_AS_THEY_ARE = (pl.Boolean, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String)


def json_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The JSON text of a nested value; null stays null."""
    # Only a struct has a JSON form in Polars: the value goes through one of a single field.
    text = pl.struct(v=_wire(value, dtype)).struct.json_encode()
    bare = text.str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(value.is_not_null()).then(bare)


def wire_dtype(dtype: pl.DataType) -> pl.DataType:
    """The dtype that the JSON is parsed as; raises WarehouseError for what has no JSON form."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct({n: wire_dtype(inner) for n, inner in struct_fields(dtype).items()})
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        return pl.List(wire_dtype(dtype.inner))
    if isinstance(dtype, _AS_THEY_ARE):
        return dtype
    fine = isinstance(dtype, pl.Datetime) and (
        dtype.time_unit != "us" or dtype.time_zone not in {None, "UTC"}
    )
    if isinstance(dtype, pl.Decimal | pl.Datetime | pl.Date | pl.Time | pl.Binary) and not fine:
        return pl.String()
    raise WarehouseError(
        f"PostgreSQL has no column type for the contract's {dtype} inside a struct or a list.",
        "Declare it with a dtype of the type mapping in docs/adding-a-table.md.",
    )


def from_wire(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """What `wire_dtype` says of a parsed JSON value, in the contract's dtype again."""
    if isinstance(dtype, pl.Struct):
        fields = [
            from_wire(value.struct.field(name), inner).alias(name)
            for name, inner in struct_fields(dtype).items()
        ]
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        return value.list.eval(from_wire(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Datetime):
        zone = "Z" if dtype.time_zone else ""
        moment = value.str.to_datetime(f"%Y-%m-%dT%H:%M:%S%.f{zone}", time_unit="us")
        return moment.dt.replace_time_zone(dtype.time_zone)
    if isinstance(dtype, pl.Date):
        return value.str.to_date("%Y-%m-%d")
    if isinstance(dtype, pl.Time):
        return value.str.to_time("%H:%M:%S%.f")
    if isinstance(dtype, pl.Binary):
        return value.str.decode("hex")
    return value.cast(dtype)


def _wire(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Struct):
        fields = [
            _wire(value.struct.field(name), inner).alias(name)
            for name, inner in struct_fields(dtype).items()
        ]
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        return value.list.eval(_wire(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Datetime):
        return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if dtype.time_zone else ""))
    if isinstance(dtype, pl.Date):
        return value.dt.strftime("%Y-%m-%d")
    if isinstance(dtype, pl.Time):
        return value.dt.strftime("%H:%M:%S%.6f")
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("hex")
    return value.cast(pl.String) if isinstance(dtype, pl.Decimal) else value


def without_json(values: pl.Series) -> bool:
    """Whether a nested column holds a value that JSON text would change."""
    dtype = values.dtype
    if isinstance(dtype, pl.List):
        return without_json(values.explode())
    if isinstance(dtype, pl.Struct):
        return any(without_json(values.struct.field(field.name)) for field in dtype.fields)
    if dtype.is_float():
        return bool((~values.is_finite()).any())
    return dtype == pl.Time and bool((values.cast(pl.Int64) % 1000 != 0).any())
