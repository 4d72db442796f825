"""CHECK constraints as the checks of a contract, where they say a range or allowed values. Pure.

Only what a constraint says of one column by itself is taken; a disjunction, a function or another
column is left to the source, which keeps it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

Checks = Mapping[str, object]

_NAME = r'(?P<name>[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")'
_CAST = r"(?:::[a-z][a-z0-9_ ]*(?:\([0-9, ]+\))?(?:\[\])?)"
_COLUMN = rf"\(*{_NAME}\)?{_CAST}?\)*"
_NUMBER = rf"\(*'?(?P<number>-?[0-9]+(?:\.[0-9]+)?)'?\)?{_CAST}?\)*"
_COMPARED = re.compile(rf"{_COLUMN} (?P<sign>>=|>|<=|<) {_NUMBER}")
_TURNED = re.compile(rf"{_NUMBER} (?P<sign>>=|>|<=|<) {_COLUMN}")
_TEXT = r"'(?:[^']|'')*'"
_ONE_OF = re.compile(rf"{_COLUMN} = ANY \(\(?ARRAY\[(?P<values>.+?)\]\)?{_CAST}*\)")
_IS = re.compile(rf"{_COLUMN} = (?P<value>\(*{_TEXT}\)?{_CAST}?\)*)")
_ITEM = re.compile(rf"\(*(?P<text>{_TEXT})\)?{_CAST}?\)*|\(*(?P<number>-?[0-9]+)\)?{_CAST}?\)*")
_NOT_NULL = re.compile(rf"{_COLUMN} IS NOT NULL")
_SIGNS = {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}
_OTHER_WAY = {">=": "le", ">": "lt", "<=": "ge", "<": "gt"}

NOT_NULL = "not null"
"""Stands among the checks of a column that is never NULL."""


def checks_of(conditions: Iterable[str]) -> dict[str, dict[str, object]]:
    """The checks by column: `ge`, `gt`, `le`, `lt` of numbers, `isin`, and `NOT_NULL`."""
    found: dict[str, dict[str, object]] = {}
    for condition in conditions:
        for part in _conjuncts(condition.strip()):
            for name, check, value in _of_part(part):
                own = found.setdefault(name, {})
                own[check] = _stricter(check, own[check], value) if check in own else value
    return found


def _conjuncts(condition: str) -> Iterator[str]:
    """The parts that must all hold, without the brackets around each."""
    condition = _bare(condition)
    parts = _split(condition, " AND ")
    if len(parts) == 1:
        yield condition
        return
    for part in parts:
        yield from _conjuncts(part)


def _bare(text: str) -> str:
    text = text.strip()
    while text.startswith("(") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _split(text: str, by: str) -> list[str]:
    """The parts between words that stand in no bracket and in no quotes."""
    parts, depth, quote, begin, at = [], 0, "", 0, 0
    while at < len(text):
        sign = text[at]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif depth == 0 and text.startswith(by, at):
            parts.append(text[begin:at])
            at += len(by)
            begin = at
            continue
        at += 1
    return [*parts, text[begin:]]


def _closing(text: str, opening: int) -> int:
    depth, quote = 0, ""
    for at in range(opening, len(text)):
        sign = text[at]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                return at
    return -1


def _of_part(part: str) -> Iterator[tuple[str, str, object]]:
    if found := _COMPARED.fullmatch(part):
        yield _named(found), _SIGNS[found["sign"]], _number(found["number"])
    elif found := _TURNED.fullmatch(part):
        yield _named(found), _OTHER_WAY[found["sign"]], _number(found["number"])
    elif found := _ONE_OF.fullmatch(part):
        values = [_value(item) for item in _split(found["values"], ", ")]
        if all(value is not None for value in values):
            yield _named(found), "isin", values
    elif found := _IS.fullmatch(part):
        yield _named(found), "isin", [_value(found["value"])]
    elif found := _NOT_NULL.fullmatch(part):
        yield _named(found), NOT_NULL, True


def _named(found: re.Match[str]) -> str:
    name = found["name"]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _number(text: str) -> int | Decimal:
    return Decimal(text) if "." in text else int(text)


def _value(item: str) -> str | int | None:
    found = _ITEM.fullmatch(item.strip())
    if found is None:
        return None
    if found["number"] is not None:
        return int(found["number"])
    text = found["text"][1:-1].replace("''", "'")
    is_number = item.strip("() ").endswith(("::integer", "::bigint", "::smallint"))
    return int(text) if is_number and re.fullmatch("-?[0-9]+", text) else text


def _stricter(check: str, one: object, other: object) -> object:
    """What holds where both do."""
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return max(one, other) if check in ("ge", "gt") else min(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return [value for value in one if value in other]
    return one
