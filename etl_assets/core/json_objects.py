"""JSON objects, read for their fields: the values by name, with what JSON tells apart kept apart.

A field that is null differs from one that is absent, `500.0` from `500` and from `"500"`. What is
counted of them is `core/field_profile.py`, what is made of one is `core/promoted.py`.
"""

import json
import re
from typing import Any


class Digits(str):
    """A number as it was written: 18 digits or 180, nothing is rounded."""

    __slots__ = ()


class Whole(Digits):
    """A number without a fraction and an exponent."""

    __slots__ = ()


class Fields(list[tuple[str, Any]]):
    """An object's fields in their order, repeated ones included."""

    __slots__ = ()


TYPES = {
    str: "text",
    Whole: "integer",
    Digits: "number",
    bool: "boolean",
    type(None): "null",
    Fields: "object",
    list: "array",
}
"""What each kind of value is called."""

INVALID = "invalid"
"""What a text is called that is no JSON."""

_ODD = re.compile("[\x00\ud800-\udfff]")


def _refused(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(
    parse_int=Whole, parse_float=Digits, parse_constant=_refused, object_pairs_hook=Fields
)
_ENDS = re.compile(r"[ \t\r\n,}]")
_BEGIN, _NAME, _NEXT = (re.compile(rf"[ \t\r\n]*{sign}[ \t\r\n]*") for sign in ("{", ":", ","))


def value_of(text: str) -> Any:
    """The value of a JSON text, its numbers as they are written; ValueError for what is no JSON.

    NaN and Infinity are no JSON, nor is what is nested deeper than Python's stack.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fields_begun(text: str) -> Fields:
    """The fields of an object whose text may be cut: those that are whole, in their order."""
    try:
        whole = value_of(text)  # far faster than field by field
        return whole if isinstance(whole, Fields) else Fields()
    except ValueError:
        fields, found = Fields(), _BEGIN.match(text)
    try:
        while found:
            name, end = _DECODER.raw_decode(text, found.end())
            colon = _NAME.match(text, end)
            if type(name) is not str or colon is None:
                break
            value, end = _DECODER.raw_decode(text, colon.end())
            if isinstance(value, Digits) and not _ENDS.match(text, end):  # more digits may follow
                break
            fields.append((name, value))
            found = _NEXT.match(text, end)
    except (ValueError, RecursionError):
        pass
    return fields


def fields_of(value: Any) -> dict[str, Any]:
    """An object's fields by their names as they are shown; none of a value that is no object.

    Of a name that is there twice the last value counts, as PostgreSQL's jsonb has it.
    """
    if type(value) is not Fields:
        return {}
    fields: dict[str, Any] = {shown(name): field for name, field in value}
    return fields


def shown(name: str) -> str:
    """A field's name as every warehouse can hold it: what is no character is written as in JSON."""
    return _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", name)


def written(value: Any) -> str:
    """The JSON text of a value, its numbers as they were written."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, Fields):
        return "{" + ", ".join(f"{json.dumps(k)}: {written(v)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def plain(value: Any) -> Any:
    """The value for Python's json, which prints every number as it was written.

    A number that Python would print with other digits is a text; the second field of a name `rate`
    is called `rate (2)`.
    """
    if isinstance(value, Digits):
        kind = int if isinstance(value, Whole) else float
        try:
            number = kind(value)
        except ValueError:  # more digits than Python makes a number of
            return str(value)
        return number if repr(number) == value else str(value)
    if isinstance(value, Fields):
        named: dict[str, Any] = {}
        for name, field in value:
            own, times = name, 1
            while own in named:
                times += 1
                own = f"{name} ({times})"
            named[own] = plain(field)
        return named
    return [plain(one) for one in value] if isinstance(value, list) else value


def json_value(text: str) -> str:
    """One text for each value, however it was laid out; the text itself if it is no JSON."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text
