"""The dtype that holds every value of a PostgreSQL type, and what is said of it. Pure.

What a value becomes is `postgres/columns.py`; the page docs/adding-a-table.md has the same table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from etl_assets.scaffold.facts import ColumnFacts, TableFacts

MOMENT = pl.Datetime("us", "UTC")
_NAIVE = pl.Datetime("us")
_PLAIN: Mapping[str, pl.DataType] = {
    "bool": pl.Boolean(),
    "int2": pl.Int16(),
    "int4": pl.Int32(),
    "int8": pl.Int64(),
    "oid": pl.Int64(),
    "float4": pl.Float32(),
    "float8": pl.Float64(),
    "date": pl.Date(),
    "time": pl.Time(),
    "timestamptz": MOMENT,
    "timestamp": _NAIVE,
    "bytea": pl.Binary(),
    "money": pl.Decimal(19, 2),
}
_MOST_DIGITS = 38
_KNOWN_TEXTS = {
    *("text", "varchar", "bpchar", "name", "char", "uuid", "citext", "xml", "inet", "cidr"),
    *("macaddr", "macaddr8", "bit", "varbit", "timetz", "tsvector", "tsquery", "pg_lsn"),
}
_AS_PRINTED = "As PostgreSQL prints it"


@dataclass(frozen=True)
class Held:
    """How a column is held in raw, and where that differs in staged: `staged` is the dtype there
    and `how` the expression after `pl.col(…)` that makes it. `options` are those of `column()`."""

    dtype: pl.DataType
    notes: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    staged: pl.DataType | None = None
    how: str = ""


def held(column: ColumnFacts, facts: TableFacts, *, is_key: bool, needs_moment: bool) -> Held:
    """The dtype of a column. `needs_moment` says that its values must be read as days or moments:
    it is the table's day or its cursor."""
    kind = column.type
    is_any_number = kind == "numeric" and column.source.numeric_precision is None
    if column.measured.has_unrepresentable and not needs_moment and not is_any_number:
        return Held(
            pl.String(),
            (
                f"It has values that are no {_called(kind)} elsewhere (infinity, BC, NaN or "
                "24:00), so its text is kept.",
            ),
        )
    if kind == "timestamp":
        return _local(facts)
    if kind == "numeric":
        return _numeric(column, is_key=is_key)
    if kind in ("float4", "float8"):
        return Held(_PLAIN[kind], options={"allow_nan": True})
    if kind in ("json", "jsonb"):
        return Held(pl.String(), options={"logical": "json"})
    if kind in _PLAIN:
        return Held(_PLAIN[kind])
    if kind == "array":
        return Held(
            pl.String(),
            (
                f"{column.source.shown}, as JSON: PostgreSQL lets an array have any dimensions. "
                "If all have one that begins at 1, write pl.List(...) of its elements' dtype.",
            ),
        )
    if kind == "bpchar":
        return Held(pl.String(), staged=pl.String(), how='.str.strip_chars_end(" ")')
    if kind in _KNOWN_TEXTS or column.labels:
        return Held(pl.String())
    return Held(pl.String(), (f"{_AS_PRINTED}: its type is {column.source.shown}.",))


def _local(facts: TableFacts) -> Held:
    if facts.zone is None:
        return Held(_NAIVE)
    return Held(
        MOMENT,
        (f"A clock of {facts.zone}, because {facts.zone_why}.",),
        {"source_zone": facts.zone},
    )


def _numeric(column: ColumnFacts, *, is_key: bool) -> Held:
    bounds = column.source.numeric_precision
    if bounds is not None:
        precision, scale = bounds
        whole = max(precision - scale, 0)
        digits = max(whole + max(scale, 0), 1)
        if digits <= _MOST_DIGITS:
            return Held(pl.Decimal(digits, max(scale, 0)))
        return Held(pl.String(), (f"{digits} digits are more than any decimal here has.",))
    scale = column.measured.scale or 0
    if is_key or scale > 18:
        return Held(
            pl.String(),
            ("A numeric without a precision takes any number of digits, so its text is kept.",),
        )
    staged = pl.Decimal(_MOST_DIGITS, 9 if scale <= 9 else 18)
    return Held(
        pl.String(),
        (
            "A numeric without a precision takes any number of digits, so raw keeps its text. In "
            f"staged it is a decimal with {staged.scale} decimals (the most that was seen: "
            f"{scale}), and NULL where it has more or is NaN.",
        ),
        staged=staged,
        how=f"exact_decimal({staged.precision}, {staged.scale})",
    )


def _called(kind: str) -> str:
    return {"numeric": "number", "time": "time of day", "date": "date"}.get(kind, "moment")
