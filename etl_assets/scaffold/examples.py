"""Values that a contract allows, made up: for the test of a written module. Pure.

No value of a source is used, so that nothing personal comes into a repository.
"""

from collections.abc import Mapping
from decimal import Decimal

import polars as pl

from etl_assets.scaffold.python_text import Call, Expression, text

_TEXTS = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "json": "{}",
    "jsonb": "{}",
    "array": "[]",
    "inet": "192.0.2.1",
    "interval": "1 day",
    "numeric": "1",
}
_CALLS: tuple[tuple[type[pl.DataType], Expression], ...] = (
    (pl.Boolean, "True"),
    (pl.Float32, "0.5"),
    (pl.Float64, "0.5"),
    (pl.Date, "date(2024, 1, 1)"),
    (pl.Time, "time(12, 0)"),
    (pl.Binary, 'b"x"'),
)


def example_of(dtype: pl.DataType, rules: Mapping[str, object], kind: str = "") -> Expression:
    """A value of the dtype that keeps the rules, as Python writes it; "None" where none is found.

    `kind` is the source's name of its type.
    """
    allowed = rules.get("isin")
    if isinstance(allowed, list):
        return text(allowed[0]) if isinstance(allowed[0], str) else repr(allowed[0])
    if isinstance(dtype, pl.Int16 | pl.Int32 | pl.Int64):
        number = _within(rules, Decimal(1))
        return "None" if number is None else str(int(number))
    if isinstance(dtype, pl.Decimal):
        most = Decimal(10) ** ((dtype.precision or 38) - dtype.scale)
        number = _within(rules, Decimal(1) if most > 1 else Decimal(0))
        return "None" if number is None else f'Decimal("{number}")'
    if isinstance(dtype, pl.Datetime):
        arguments = [("", part) for part in ("2024", "1", "1", "12", "0")]
        zone = [("tzinfo", "UTC")] if dtype.time_zone else []
        return Call("datetime", [*arguments, *zone])
    if isinstance(dtype, pl.String):
        return text(_TEXTS.get(kind, "text"))
    return next((call for known, call in _CALLS if isinstance(dtype, known)), "None")


def _within(rules: Mapping[str, object], usual: Decimal) -> Decimal | None:
    """A whole number between the bounds, or the lower bound; None where none is found."""
    bounds = {name: Decimal(str(one)) for name, one in rules.items() if name != "isin"}
    candidates = [usual, Decimal(0), *bounds.values()]
    candidates += [bound + step for bound in bounds.values() for step in (-1, 1)]
    return next((one for one in candidates if _keeps(one, bounds)), None)


def _keeps(number: Decimal, bounds: Mapping[str, Decimal]) -> bool:
    return (
        ("ge" not in bounds or number >= bounds["ge"])
        and ("gt" not in bounds or number > bounds["gt"])
        and ("le" not in bounds or number <= bounds["le"])
        and ("lt" not in bounds or number < bounds["lt"])
    )
