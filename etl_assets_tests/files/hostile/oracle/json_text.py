"""The oracle's reading of JSON Lines: Python's own `json`, pair by pair, and decimals for numbers.

A value is read where it stands, so that its text is known; keys are counted by hand.
"""

import json
from dataclasses import replace
from typing import Any, NoReturn

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets_tests.files.hostile.cases import RAW_CHARACTERS, Case
from etl_assets_tests.files.hostile.oracle.csv_text import text_of
from etl_assets_tests.files.hostile.oracle.outcomes import Bad, Loaded, Row, Unfit
from etl_assets_tests.files.hostile.oracle.values import value_of

_BLANKS = " \t\r"
_JSON_BLANKS = " \t\r\n"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def number(text: str) -> tuple[str, str]:
    """A number as it is written, which no text is equal to."""
    return "number", text


_DECODER = json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=_no_constant)


def pairs_of(line: str) -> list[tuple[str, str, Any]]:
    """Key, the text of the value and the value (numbers by `number`), in the line's order.

    Raises Unfit ("no object") for what is not one object with distinct keys ("key twice").
    """
    try:
        pairs, end = _pairs(line, _skip(line, 0))
    except (ValueError, IndexError):
        raise Unfit("no object") from None
    except RecursionError:
        raise Unfit("too deep") from None
    if _skip(line, end) != len(line) or any(_has_surrogate(key) for key, _, _ in pairs):
        raise Unfit("no object")
    if any(_has_surrogate(text) for text in _texts_in([value for _, _, value in pairs])):
        raise Unfit("no object")
    if len({key for key, _, _ in pairs}) < len(pairs):
        raise Unfit("key twice")
    return pairs


def _pairs(line: str, place: int) -> tuple[list[tuple[str, str, Any]], int]:
    if line[place] != "{":
        raise ValueError
    pairs: list[tuple[str, str, Any]] = []
    place = _skip(line, place + 1)
    if line[place] == "}":
        return pairs, place + 1
    while True:
        if line[place] != '"':
            raise ValueError
        key, place = _DECODER.raw_decode(line, place)
        place = _skip(line, place)
        if line[place] != ":":
            raise ValueError
        begin = _skip(line, place + 1)
        value, place = _DECODER.raw_decode(line, begin)
        pairs.append((key, line[begin:place], value))
        place = _skip(line, place)
        if line[place] == "}":
            return pairs, place + 1
        if line[place] != ",":
            raise ValueError
        place = _skip(line, place + 1)


def _skip(line: str, place: int) -> int:
    while place < len(line) and line[place] in _JSON_BLANKS:
        place += 1
    return place


def _texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in _texts_in(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in _texts_in(inner)]
    return []


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def read_json(case: Case, plain: bytes) -> Loaded:
    """What becomes of the file; raises Refusal."""
    text = text_of(plain, "utf-8")
    loaded = Loaded(lines=text.count("\n"))
    names: dict[str, None] = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        if line.strip(_BLANKS):
            _take(line, number, case, names, loaded)
    declared = [column.name for column in case.columns]
    loaded.extra = [name for name in names if name not in declared]
    loaded.missing = [name for name in declared if name not in names]
    return loaded


def _take(line: str, number: int, case: Case, names: dict[str, None], loaded: Loaded) -> None:
    raw = line[:RAW_CHARACTERS]
    try:
        if len(line.encode()) > case.record_bytes:
            raise Unfit("too long")
        pairs = pairs_of(line)
    except Unfit as unfit:
        loaded.bad.append(Bad(number, unfit.why, (), raw))
        return
    names.update(dict.fromkeys(key for key, _, _ in pairs))
    fields = {key: (text, value) for key, text, value in pairs}
    values, faults = [], []
    for column in case.columns:
        try:
            values.append(_value(fields.pop(column.name, ("null", None)), column))
        except Unfit as unfit:
            faults.append((column.name, unfit.why))
    if faults:
        columns = tuple(name for name, _ in faults)
        loaded.bad.append(Bad(number, " or ".join(why for _, why in faults), columns, raw))
        return
    overflow = {key: value for key, (_, value) in fields.items()} if case.overflow else None
    loaded.rows.append(Row(number, tuple(values), overflow or None))


def _value(found: tuple[str, Any], column: Column) -> object:
    text, value = found
    if text == "null":
        if not column.nullable:
            raise Unfit("empty")
        return None
    if column.logical == "json":
        return text
    is_number, is_boolean = column.dtype.is_numeric(), isinstance(column.dtype, pl.Boolean)
    if text[0] == '"':
        if column.text is None and (is_number or is_boolean):
            raise Unfit("type")
        if "\0" in value:
            raise Unfit("nul")
        return value_of(value, column)  # "" is a text: JSON says itself what is null
    if is_number and text[0] in "-0123456789":
        return value_of(text, replace(column, text=None))
    if is_boolean and text in ("true", "false"):
        return text == "true"
    raise Unfit("type")
