"""How a column of PostgreSQL's becomes a column of the contract's, exactly.

For each pair of types: the expression in the generated SELECT, the Arrow type that the CSV text is
parsed as, the guard that tells which values no dtype holds, and what is left to do in Polars.
What other readers make of these types, and what must come out, is in the project's type mapping.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.set_aside import LOCAL_TIME, REPRESENTABLE
from etl_assets.postgres import arrow_types
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.local_time import instant, is_known
from etl_assets.postgres.value_size import ValueSize, size_of

_INTEGERS: dict[type[pl.DataType], tuple[arrow_types.ArrowType, set[str]]] = {
    pl.Int16: (arrow_types.INT16, {"int2"}),
    pl.Int32: (arrow_types.INT32, {"int2", "int4"}),
    pl.Int64: (arrow_types.INT64, {"int2", "int4", "int8", "oid"}),
}
_FLOATS: dict[type[pl.DataType], tuple[arrow_types.ArrowType, set[str]]] = {
    pl.Float32: (arrow_types.FLOAT32, {"float4"}),
    pl.Float64: (arrow_types.FLOAT64, {"float4", "float8"}),
}
_FINITE = "({e} >= '0001-01-01' AND {e} < '10000-01-01')"


@dataclass(frozen=True)
class ColumnRead:
    """One column of the generated SELECT.

    `plain` is the column itself; `select` yields its text in a form that `arrow` parses exactly;
    `guard`, if any, is a condition that is false for values that cannot be represented (NULL counts
    as kept), and `local_time` one that is false for those that their zone does not know; `finish`
    turns the parsed column into the contract's dtype, None
    where it is that already, and `failure` says what is wrong with a value that it refuses.
    `loaded` is the value that the digests are made from; `size` is that of its text, None where no
    text is long.
    """

    name: str
    select: str
    arrow: arrow_types.ArrowType
    plain: str
    guard: str | None = None
    finish: pl.Expr | None = None
    failure: str = "does not fit its declared dtype"
    loaded: str = ""
    local_time: str | None = None
    size: ValueSize | None = None

    @property
    def guards(self) -> Sequence[tuple[str, str]]:
        """The conditions that a value must meet, each with the rule that it breaks otherwise."""
        both = ((self.guard, REPRESENTABLE), (self.local_time, LOCAL_TIME))
        return [(condition, rule) for condition, rule in both if condition]


def read_column(declared: Column, found: SourceColumn, expression: str) -> ColumnRead:
    """How to read `expression` (quoted already), a column found in the catalogue.

    Raises ContractMismatch where the contract's dtype cannot hold the source's type exactly.
    """
    read = _by_dtype(declared, found, expression)
    if read is None:
        raise ContractMismatch(
            f"Column {declared.name!r} is {found.shown} in the source, "
            f"which the contract's {declared.dtype} cannot hold exactly.",
            _advice(declared, found),
        )
    read = replace(read, size=size_of(found, expression, read.select))
    loaded = read.loaded or (read.select if isinstance(declared.dtype, pl.String) else read.plain)
    if read.guard and declared.on_unrepresentable == "null":
        kept = f"CASE WHEN {read.guard} THEN "  # not a format: a name may have braces
        select, loaded = f"{kept}{read.select} END", f"{kept}{loaded} END"
        return replace(read, select=select, guard=None, loaded=loaded)
    return replace(read, loaded=loaded)


def _advice(declared: Column, found: SourceColumn) -> str:
    is_utc = isinstance(declared.dtype, pl.Datetime) and declared.dtype.time_zone == "UTC"
    if found.type == "timestamp" and is_utc and declared.source_zone is None:
        return (
            'Say in which zone its clock is: column(source_zone="Europe/Berlin"), or "UTC"; or '
            'declare it without a zone: Annotated[pl.Datetime, "us", None].'
        )
    if found.type == "money" and isinstance(declared.dtype, pl.Decimal):
        return (
            "Money has 17 digits before the point and two after it: write "
            "Annotated[pl.Decimal, 19, 2] in the contract, or pl.String."
        )
    return "Change the table's contract to a dtype that can, or to pl.String."


def keeps_values_apart(declared: Column) -> bool:
    """Whether values that differ in the source differ as they are loaded."""
    becomes_null = declared.on_unrepresentable == "null" or (
        declared.source_zone is not None and declared.ambiguous == "null"
    )
    return not becomes_null


def _by_dtype(declared: Column, found: SourceColumn, e: str) -> ColumnRead | None:
    dtype, name = declared.dtype, declared.name
    if isinstance(dtype, pl.List):
        return _list(declared, found, e)
    if found.element is not None:
        return _text(declared, found, e) if isinstance(dtype, pl.String) else None
    if isinstance(dtype, pl.Boolean) and found.type == "bool":
        return ColumnRead(name, e, arrow_types.BOOLEAN, e)
    if isinstance(dtype, pl.Float64) and found.type == "float4":
        # What is read is the text: 0.1, and not 0.10000000149, as which a cast would widen it.
        return ColumnRead(name, e, arrow_types.FLOAT64, e, loaded=f"{e}::text::float8")
    for arrow, types in (m[type(dtype)] for m in (_INTEGERS, _FLOATS) if type(dtype) in m):
        return ColumnRead(name, e, arrow, e) if found.type in types else None
    if isinstance(dtype, pl.Decimal):
        return _decimal(name, dtype, found, e)
    if isinstance(dtype, pl.Date) and found.type == "date":
        return ColumnRead(name, e, arrow_types.DATE, e, _FINITE.format(e=e))
    if isinstance(dtype, pl.Time) and found.type == "time":
        return ColumnRead(
            name, e, arrow_types.TIME, e, f"{e} < '24:00'", pl.col(name).cast(pl.Time)
        )
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us":
        return _timestamp(declared, dtype, found, e)
    if isinstance(dtype, pl.Binary) and found.type == "bytea":
        decoded = pl.col(name).str.decode("hex")
        return ColumnRead(name, f"encode({e}, 'hex')", arrow_types.STRING, e, finish=decoded)
    return _text(declared, found, e) if isinstance(dtype, pl.String) else None


def _text(declared: Column, found: SourceColumn, e: str) -> ColumnRead | None:
    if found.type == "bytea":
        return None
    if found.element is not None:
        # JSON has no bounds: an array that does not begin at 1 is as PostgreSQL prints it.
        text = f"CASE WHEN {_begins_at_one(found, e)} THEN to_json({e})::text ELSE {e}::text END"
        return ColumnRead(declared.name, text, arrow_types.STRING, e)
    exact = f"{e}::text"
    if found.type == "bpchar" and not declared.trim:
        # A cast would cut the padding of char(n); whether to cut is the contract's choice.
        exact = f"CASE WHEN {e} IS NOT NULL THEN concat({e}) END"
    elif found.type == "money":  # its own text depends on the server's locale
        exact = f"{e}::numeric::text"
    return ColumnRead(declared.name, exact, arrow_types.STRING, e)


def _begins_at_one(found: SourceColumn, e: str) -> str:
    """Whether every dimension of an array does, as it does unless somebody says otherwise."""
    if found.type in {"int2vector", "oidvector"}:  # these always begin at 0
        return "TRUE"
    dimensions = f"coalesce(array_dims({e}), '')"
    return f"(strpos(replace({dimensions}, '[1:', ''), '[') = 0)"


def _decimal(name: str, dtype: pl.Decimal, found: SourceColumn, e: str) -> ColumnRead | None:
    precision, scale = dtype.precision or 38, dtype.scale
    arrow = arrow_types.decimal(precision, scale)
    if found.type in {"int2", "int4", "int8"}:
        digits = {"int2": 5, "int4": 10, "int8": 19}[found.type]
        return ColumnRead(name, e, arrow, e) if digits <= precision - scale else None
    if found.type == "money":
        fits = scale >= 2 and precision - scale >= 17
        return ColumnRead(name, f"{e}::numeric", arrow, e) if fits else None
    if found.type != "numeric":
        return None
    bounds = found.numeric_precision
    if bounds and 0 <= bounds[1] <= scale and bounds[0] - bounds[1] <= precision - scale:
        return ColumnRead(name, e, arrow, e, f"{e} <> 'NaN'")
    # NaN and the infinities are greater than any bound, so this refuses them too.
    guard = f"({e} = trunc({e}, {scale}) AND abs({e}) < 1e{precision - scale}::numeric)"
    return ColumnRead(name, f"{e}::numeric({precision},{scale})", arrow, e, guard)


def _timestamp(
    declared: Column, dtype: pl.Datetime, found: SourceColumn, e: str
) -> ColumnRead | None:
    guard = _FINITE.format(e=e)
    if found.type == "timestamptz" and dtype.time_zone == "UTC":
        return ColumnRead(declared.name, e, arrow_types.MOMENT, e, guard)
    if found.type != "timestamp":
        return None
    naive = arrow_types.NAIVE
    if dtype.time_zone is None:
        return ColumnRead(declared.name, e, naive, e, guard)
    if dtype.time_zone != "UTC" or declared.source_zone is None:
        return None
    zone, policy = declared.source_zone, declared.ambiguous
    moment = instant(e, zone, policy)
    # A calendar date of the zone may be none in UTC.
    guard = f"({guard} AND {_FINITE.format(e=instant(e, zone, 'latest'))})"
    # Asked of finite values only: others have no day before and after.
    known = None if policy == "null" else f"CASE WHEN {guard} THEN {is_known(e, zone, policy)} END"
    return ColumnRead(
        declared.name, moment, arrow_types.MOMENT, e, guard, loaded=moment, local_time=known
    )


def _list(declared: Column, found: SourceColumn, e: str) -> ColumnRead | None:
    inner = declared.dtype.inner if isinstance(declared.dtype, pl.List) else None
    if found.element is None or not isinstance(inner, pl.DataType):
        return None
    element = SourceColumn(declared.name, found.element, None, -1, found.shown)
    item = Column(declared.name, inner, nullable=True, description="")
    read = _by_dtype(item, element, "item")
    if read is None:
        return None
    # Not `FROM unnest(…)`, which would take a composite element apart.
    items = f"FROM (SELECT unnest({e}) AS item) AS items"
    guard = f"(coalesce(array_ndims({e}), 1) = 1 AND {_begins_at_one(found, e)})"
    if read.guard:  # a sub-query a row: only for elements that can be out of bounds
        guard = f"({guard} AND NOT EXISTS (SELECT {items} WHERE NOT ({read.guard})))"
    listed = f"ARRAY(SELECT ({read.select})::text {items})"
    texts = f"CASE WHEN {e} IS NOT NULL THEN to_json({listed})::text END"
    loaded = read.loaded or (f"({read.select})::text" if isinstance(inner, pl.String) else "")
    if loaded:
        loaded = f"CASE WHEN {e} IS NOT NULL THEN ARRAY(SELECT {loaded} {items}) END"
    parsed = pl.col(declared.name).str.json_decode(pl.List(pl.String))
    items_read = parsed.list.eval(from_text(pl.element(), inner))
    return ColumnRead(declared.name, texts, arrow_types.STRING, e, guard, items_read, loaded=loaded)


def from_text(text: pl.Expr, dtype: pl.DataType, *, strict: bool = True) -> pl.Expr:
    """What the source prints for a value, in the value's dtype.

    A text that is not one of the dtype's values fails, or is null where it is not `strict`.
    """
    if isinstance(dtype, pl.Boolean):
        return text == "true"
    if isinstance(dtype, pl.Binary):
        return text.str.decode("hex", strict=strict)
    if isinstance(dtype, pl.Datetime):
        form = "%Y-%m-%d %H:%M:%S%.f" + ("%#z" if dtype.time_zone else "")
        return text.str.to_datetime(form, time_unit="us", time_zone=dtype.time_zone, strict=strict)
    if isinstance(dtype, pl.Date):
        return text.str.to_date("%Y-%m-%d", strict=strict)
    if isinstance(dtype, pl.Time):
        return text.str.to_time("%H:%M:%S%.f", strict=strict)
    return text.cast(dtype, strict=strict)
