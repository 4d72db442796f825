"""The oracle's reading of text as a value: plain Python, written from docs/files.md alone.

It takes nothing of the platform but the declaration (`Column`, `Texts`), which is data.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Texts
from etl_assets_tests.files.hostile.oracle.outcomes import Unfit

_NAMES = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)
_DAY = r"(\d{4})-(\d\d)-(\d\d)"
_CLOCK = r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?"
_OFFSET = r"(Z|[+-]\d\d(?::?\d\d)?)?"
_MOMENT = re.compile(rf"{_DAY}(?:[T ]{_CLOCK}{_OFFSET})?", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_BITS = {
    pl.Int8: (7, True),
    pl.Int16: (15, True),
    pl.Int32: (31, True),
    pl.Int64: (63, True),
    pl.UInt8: (8, False),
    pl.UInt16: (16, False),
    pl.UInt32: (32, False),
    pl.UInt64: (64, False),
}


def value_of(text: str | None, column: Column) -> object:
    """The value of a field, None for null; raises Unfit ("value" or "empty").

    `text` is None for an empty field that no quotes are around.
    """
    value = _value(text, column)
    if value is None and not column.nullable:
        raise Unfit("empty")
    return value


def _value(text: str | None, column: Column) -> object:
    texts = column.text or Texts()
    if text is not None and texts.trim:
        text = text.strip(" \t") or None
    if text is None:
        if "" in texts.null:
            return None
        text = ""
    elif text and text in texts.null:
        return None
    try:
        return _parser(column.dtype)(text, column, texts)
    except (ValueError, OverflowError):
        raise Unfit("value") from None


def _parser(dtype: pl.DataType) -> Callable[[str, Column, Texts], object]:
    if dtype.is_integer():
        return _integer
    if isinstance(dtype, pl.Decimal):
        return _decimal
    if dtype.is_float():
        return _float
    if isinstance(dtype, pl.Boolean):
        return _boolean
    if isinstance(dtype, pl.Date):
        return _date
    if isinstance(dtype, pl.Time):
        return _time
    if isinstance(dtype, pl.Datetime):
        return _datetime
    return lambda text, column, texts: text


def _plain_number(text: str, texts: Texts) -> str:
    """The number with a point and no signs of thousands."""
    sign, rest = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    mantissa, mark, exponent = rest, "", ""
    for letter in "eE":
        if letter in rest:
            mantissa, mark, exponent = rest.partition(letter)
    whole, point, fraction = mantissa.partition(texts.decimal)
    if texts.thousands is not None and texts.thousands in whole:
        first, *groups = whole.split(texts.thousands)
        if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
            raise ValueError
        whole = first + "".join(groups)
    if any(sign not in "0123456789" for sign in whole + fraction):
        raise ValueError
    return sign + whole + ("." if point else "") + fraction + mark + exponent


def _integer(text: str, column: Column, texts: Texts) -> int:
    text = _plain_number(text, texts)
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError
    bits, is_signed = _BITS[type(column.dtype)]
    number = int(text)
    if not (-(2**bits) if is_signed else 0) <= number < 2**bits:
        raise ValueError
    return number


def _decimal(text: str, column: Column, texts: Texts) -> Decimal:
    assert isinstance(column.dtype, pl.Decimal)
    text = _plain_number(text, texts)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        raise ValueError
    whole, _, fraction = text.lstrip("+-").partition(".")
    precision, scale = column.dtype.precision or 38, column.dtype.scale
    if len(whole.lstrip("0")) > precision - scale or fraction[scale:].strip("0"):
        raise ValueError
    return Decimal(text)


def _float(text: str, column: Column, texts: Texts) -> float:
    if _NAMES.fullmatch(text):
        return float(text)
    text = _plain_number(text, texts)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise ValueError
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _boolean(text: str, column: Column, texts: Texts) -> bool:
    if text not in (*texts.true, *texts.false):
        raise ValueError
    return text in texts.true


def _date(text: str, column: Column, texts: Texts) -> date:
    if texts.formats:
        return _by_formats(text, texts.formats).date()
    if not re.fullmatch(_DAY, text, re.ASCII):
        raise ValueError
    return date(int(text[:4]), int(text[5:7]), int(text[8:]))


def _microseconds(fraction: str | None) -> int:
    fraction = (fraction or "").ljust(9, "0")
    if fraction[6:] != "000":
        raise ValueError
    return int(fraction[:6])


def _time(text: str, column: Column, texts: Texts) -> time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError
    hour, minute, second, fraction = found.groups()
    return time(int(hour), int(minute), int(second or 0), _microseconds(fraction))


def _datetime(text: str, column: Column, texts: Texts) -> datetime | None:
    assert isinstance(column.dtype, pl.Datetime)
    if texts.formats:
        clock, offset = _by_formats(text, texts.formats), None
        if clock.tzinfo is not None:
            clock, offset = clock.replace(tzinfo=None), clock.tzinfo
    else:
        clock, offset = _iso(text)
    if column.dtype.time_zone is None:
        if offset is not None:
            raise ValueError
        return clock
    if offset is not None:
        return clock.replace(tzinfo=offset).astimezone(UTC)
    if column.source_zone is None:
        raise ValueError
    return local(clock, column)


def local(clock: datetime, column: Column) -> datetime | None:
    """The moment of a local time; one that comes twice or never is as `ambiguous` says."""
    assert column.source_zone is not None
    zone = ZoneInfo(column.source_zone)
    readings = [clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    exists = [at for at in readings if at.astimezone(zone).replace(tzinfo=None) == clock]
    if len(set(exists)) == 1:
        return exists[0]
    if column.ambiguous == "null":
        return None
    if not exists or column.ambiguous == "raise":
        raise ValueError
    return min(exists) if column.ambiguous == "earliest" else max(exists)


def _iso(text: str) -> tuple[datetime, timezone | None]:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError
    *numbers, fraction, offset = found.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    clock = datetime(year, month, day, hour, minute, second, _microseconds(fraction))
    if offset is None:
        return clock, None
    if offset == "Z":
        return clock, UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError
    span = timedelta(hours=hours, minutes=minutes)
    return clock, timezone(-span if offset[0] == "-" else span)


def _by_formats(text: str, formats: tuple[str, ...]) -> datetime:
    """By `strptime`, without what it allows beyond the documented formats: blanks, other digits."""
    if not text.isascii() or text != text.strip():
        raise ValueError
    for form in formats:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError
