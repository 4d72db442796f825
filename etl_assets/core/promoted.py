"""Promoted fields: columns of a contract that are made of a field of one of its JSON columns.

`credit_limit: ... = column(from_field=("custom", "credit_limit"), ...)` is all that a module says;
the platform makes the column, after the transform, of the JSON column that the transform gives. A
value that does not fit the column's dtype is NULL there, stays whole in the JSON column, and is
counted by the check `promoted_fields`. No value is rounded or guessed.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any

import polars as pl

from etl_assets.core.contracts import Column, Contract, columns_of
from etl_assets.core.faults import Fault
from etl_assets.core.json_objects import Digits, fields_of, value_of, written
from etl_assets.core.table import LayerTable

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTEGERS = range(-(2**63), 2**63)
_TRUTHS = {"true": True, "false": False}
_MOMENT = pl.Datetime("us", "UTC")

DTYPES = "pl.String, pl.Int64, pl.Decimal, pl.Boolean, pl.Date or a pl.Datetime in UTC"
"""The dtypes that a promoted column may have, as messages name them."""


def promoted_columns(contract: type[Contract]) -> tuple[Column, ...]:
    """The columns of the contract that are made of fields."""
    return tuple(column for column in columns_of(contract) if column.from_field)


def promoting(
    contract: type[Contract], transform: Callable[..., pl.LazyFrame]
) -> Callable[..., pl.LazyFrame]:
    """The transform with the contract's promoted columns added to what it gives."""
    try:
        columns = promoted_columns(contract)
    except Exception:  # no contract: its spec is refused for that
        return transform
    if not columns or not callable(transform):
        return transform

    @wraps(transform)
    def promoted(*frames: pl.LazyFrame, **named: Any) -> pl.LazyFrame:
        made = transform(*frames, **named)
        return made.with_columns(expression(column) for column in columns)

    return promoted


def expression(column: Column) -> pl.Expr:
    """What makes a promoted column of the JSON column beside it."""
    assert column.from_field is not None  # noqa: S101 - the caller asked
    json_column, field = column.from_field

    def make(texts: pl.Series) -> pl.Series:
        return values_of(texts, field, column.dtype)

    return (
        pl.col(json_column)
        .map_batches(make, return_dtype=column.dtype, is_elementwise=True)
        .alias(column.name)
    )


def values_of(texts: pl.Series, field: str, dtype: pl.DataType) -> pl.Series:
    """The field's values in the texts of a JSON column, NULL where there is none that fits.

    Equal texts are read once. Text is what was typed, or the JSON of what is no text. Numbers are
    taken from texts as well ("500.00"), if no digit is lost; `true` and `false` from texts in these
    letters; a day is written 2024-05-17, a moment as in ISO 8601 with its offset.
    """
    fit = _fit_for(dtype)
    known: dict[str, Any] = {}
    for text in texts.unique().drop_nulls():
        value = field_value(text, field)
        known[text] = None if value is None else fit(value)
    made = [None if text is None else known[text] for text in texts]
    return pl.Series(texts.name, made, dtype, strict=True)


def unfit(batch: pl.DataFrame, column: Column) -> int:
    """In how many rows the field has a value, not null, that the promoted column does not have."""
    assert column.from_field is not None  # noqa: S101 - the caller asked
    json_column, field = column.from_field
    texts = batch.filter(pl.col(column.name).is_null())[json_column].drop_nulls()
    counts = texts.value_counts(name="rows")
    return sum(rows for text, rows in counts.iter_rows() if field_value(text, field) is not None)


def field_value(text: str, field: str) -> Any:
    """The field's value in a JSON text; None for null, for no such field and for no object."""
    if "\\" not in text and f'"{field}"' not in text:
        return None  # no name in it is written with escapes, and none is this one
    try:
        return fields_of(value_of(text)).get(field)
    except ValueError:
        return None


def fits(dtype: pl.DataType) -> bool:
    """Whether a promoted column may have the dtype."""
    try:
        _fit_for(dtype)
    except TypeError:
        return False
    return True


def promotion_faults(table: LayerTable, contract: str, transform: str) -> Iterator[Fault]:
    """What is wrong with fields and promoted columns of a contract; the spec's names are given."""
    columns = {column.name: column for column in table.columns}
    name = table.contract.__name__
    for column in columns.values():
        if column.fields and (column.dtype != pl.String or column.logical != "json"):
            yield Fault(
                contract,
                f"{column.name!r} of {name} has fields=True and is no JSON.",
                'Declare it as pl.String with logical="json".',
            )
        if column.from_field is None:
            continue
        made_of = columns.get(column.from_field[0])
        if table.source is not None:
            yield Fault(
                contract,
                f"{column.name!r} of {name} is made of a field, and the columns of a table that is "
                "read are the source's.",
                f"Declare it in a table that is derived, whose {transform or 'transform'} gives "
                f"{column.from_field[0]!r} as well.",
            )
        elif made_of is None or not made_of.fields:
            yield Fault(
                contract,
                f"{column.name!r} of {name} is made of {column.from_field[0]!r}, which is no "
                "column with fields there.",
                "Name a JSON column of the same contract that has fields=True.",
            )
        elif not column.nullable or not fits(column.dtype):
            yield Fault(
                contract,
                f"{column.name!r} of {name} cannot take a field's values.",
                f"Declare it with nullable=True, as {DTYPES}.",
            )


def _fit_for(dtype: pl.DataType) -> Callable[[Any], Any]:
    """What makes a value of the dtype of a JSON value that is not null; None where none fits."""
    if isinstance(dtype, pl.Decimal):
        scale, precision = dtype.scale, dtype.precision or 38
        return lambda value: _decimal(value, precision, scale)
    if isinstance(dtype, pl.Datetime) and dtype != _MOMENT:
        raise TypeError(dtype)
    found = _FITS.get(type(dtype))
    if found is None:
        raise TypeError(dtype)
    return found


def _number(value: Any) -> Decimal | None:
    """A number, or a text that is exactly one."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None


def _decimal(value: Any, precision: int, scale: int) -> Decimal | None:
    number = _number(value)
    if number is None:
        return None
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - it is finite
    while len(digits) > 1 and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if not number:
        return Decimal(0)
    if -exponent > scale or len(digits) + exponent > precision - scale:
        return None
    return Decimal((sign, (*digits, *[0] * (exponent + scale)), -scale))


def _integer(value: Any) -> int | None:
    number = _decimal(value, 19, 0)
    return int(number) if number is not None and int(number) in _INTEGERS else None


def _text(value: Any) -> str | None:
    text = str(value) if isinstance(value, str) else written(value)
    # No warehouse holds these characters of JSON in a text.
    return None if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text) else text


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    is_text = isinstance(value, str) and not isinstance(value, Digits)
    return _TRUTHS.get(value.strip().lower()) if is_text else None


def _date(value: Any) -> date | None:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or isinstance(value, Digits):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


_FITS: dict[type[pl.DataType], Callable[[Any], Any]] = {
    pl.String: _text,
    pl.Int64: _integer,
    pl.Boolean: _boolean,
    pl.Date: _date,
    pl.Datetime: _moment,
}
