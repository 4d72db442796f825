"""The names that YAML gives to types, and the Polars dtype of each.

What a warehouse or a source makes of a dtype does not belong here.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import polars as pl

JSON: Final = "json"
"""Text that is JSON: a `pl.String` with `logical="json"` in Python."""

_SIMPLE: Final[Mapping[str, pl.DataType]] = {
    "boolean": pl.Boolean(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "string": pl.String(),
    JSON: pl.String(),
    "binary": pl.Binary(),
    "date": pl.Date(),
    "time": pl.Time(),
    "timestamp": pl.Datetime("us", "UTC"),
    "naive_timestamp": pl.Datetime("us", None),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_LIST = re.compile(r"list\((.+)\)")
_MOST_DIGITS = 38

TYPE_PATTERN: Final = (
    rf"^(list\()?({'|'.join(_SIMPLE)}|decimal\(\s*\d{{1,2}}\s*,\s*\d{{1,2}}\s*\))\)?$"
)
"""The regular expression of all names, for editors and `dg check yaml`."""


def dtype_of(name: str) -> pl.DataType:
    """The dtype of a name; raises ValueError, in words that say which names there are."""
    if name in _SIMPLE:
        return _SIMPLE[name]
    if (found := _DECIMAL.fullmatch(name)) and 0 < int(found[1]) <= _MOST_DIGITS:
        precision, scale = int(found[1]), int(found[2])
        if scale <= precision:
            return pl.Decimal(precision, scale)
    if (found := _LIST.fullmatch(name)) and not found[1].startswith("list"):
        return pl.List(dtype_of(found[1]))
    raise ValueError(
        f"{name!r} is no type. Write one of {', '.join(_SIMPLE)}, decimal(18, 2) with at most "
        f"{_MOST_DIGITS} digits, or list(…) of one of them."
    )


def value_of(dtype: pl.DataType, written: Any) -> Any:
    """A value that YAML wrote, as a value of the dtype; raises ValueError for one that is none.

    Dates and times are ISO 8601; a timestamp without an offset is UTC.
    """
    try:
        return _value_of(dtype, written)
    except (ArithmeticError, InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{written!r} is no value of the type {_shown(dtype)}.") from None


def _value_of(dtype: pl.DataType, written: Any) -> Any:
    if isinstance(dtype, pl.Boolean):
        return _only(bool, written)
    if dtype.is_integer():
        return _number(int, written)
    if dtype.is_float():
        return float(_number((int, float), written))
    if isinstance(dtype, pl.Decimal):
        return Decimal(str(_number((int, float), written)))
    if isinstance(dtype, pl.Date):
        return date.fromisoformat(_only(str, written))
    if isinstance(dtype, pl.Time):
        return time.fromisoformat(_only(str, written))
    if isinstance(dtype, pl.Datetime):
        return _moment(dtype, _only(str, written))
    if isinstance(dtype, pl.String):
        return _only(str, written)
    raise ValueError


def _moment(dtype: pl.Datetime, text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if dtype.time_zone is None:
        if moment.tzinfo is not None:
            raise ValueError
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(kinds: Any, written: Any) -> Any:
    """YAML's true is no number, though Python's is."""
    if isinstance(written, bool):
        raise ValueError
    return _only(kinds, written)


def _only(kinds: Any, written: Any) -> Any:
    if not isinstance(written, kinds):
        raise ValueError
    return written


def _shown(dtype: pl.DataType) -> str:
    return next((name for name, one in _SIMPLE.items() if one == dtype), str(dtype).lower())
