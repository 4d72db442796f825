"""What changes of a contract's columns mean. Pure; what is not about one column is `changes.py`."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from etl_assets.core.declared.declaration import READING
from etl_assets.core.declared.impact import Change, Impact

Told = Mapping[str, Any]
"""A column as `declaration_of` tells it."""

_AGAIN = "rows that are published may be refused when their days are loaded again"
_INTEGER = re.compile(r"(U?)Int(\d+)")
_FLOAT = re.compile(r"Float(\d+)")
_DECIMAL = re.compile(r"Decimal\(precision=(\d+), scale=(\d+)\)")


def column_changes(
    before: Mapping[str, Told], now: Mapping[str, Told], key: Collection[str]
) -> Iterator[Change]:
    """What changed in the columns; `key` are those of the key now."""
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    renamed = _renamed(before, now, gone, new)
    for name in gone:
        if name in renamed:
            told = f"{name} is called {renamed[name]} now: readers of {name} lose it."
            yield Change("column renamed", Impact.BREAKING, told, name)
        else:
            told = f"{name} is gone: readers of it lose it."
            yield Change("column removed", Impact.BREAKING, told, name)
    for name in new:
        if name not in renamed.values():
            yield _gained(name, now[name], is_of_key=name in key)
    for name in now:
        if name in before:
            yield from _changed(name, before[name], now[name])


def _renamed(
    before: Mapping[str, Told], now: Mapping[str, Told], gone: list[str], new: list[str]
) -> dict[str, str]:
    """Columns that are read from the same column of the source under another name."""
    return {
        old: name
        for old in gone
        for name in new
        if now[name].get("source_name", name) == before[old].get("source_name", old)
    }


def _gained(name: str, told: Told, *, is_of_key: bool) -> Change:
    if is_of_key:
        why = f"{name} is new, and part of the key: rows that are published have no value of it."
        return Change("column added", Impact.BREAKING, why, name)
    if told.get("required"):
        why = f"{name} is new and required: rows of which the source has no value are refused."
        return Change("column added", Impact.REFUSES, why, name)
    why = f"{name} is new: it is NULL in rows that are published until they are loaded again."
    return Change("column added", Impact.COMPATIBLE, why, name)


def _changed(name: str, was: Told, now: Told) -> Iterator[Change]:
    if was["type"] != now["type"]:
        yield _retyped(name, was["type"], now["type"])
    if was["required"] != now["required"]:
        if now["required"]:
            told = f"{name} is required now: rows that have NULL in it are refused."
            yield Change("column required", Impact.REFUSES, told, name)
        else:
            told = f"{name} is no longer required: readers may meet NULL in it."
            yield Change("column nullable", Impact.BREAKING, told, name)
    yield from _rules(name, was.get("rules", []), now.get("rules", []))
    yield from _null_ratio(name, was.get("max_null_ratio"), now.get("max_null_ratio"))
    if was.get("personal", False) != now.get("personal", False):
        told = (
            f"{name} is marked as personal: its values are hidden wherever they would be shown, "
            "and stay in the table as they are."
            if now.get("personal")
            else f"{name} is no longer marked as personal: its values are shown from now on."
        )
        yield Change("personal", Impact.COMPATIBLE, told, name)
    if was.get("source_name", name) != now.get("source_name", name):
        told = (
            f"{name} was read from {was.get('source_name', name)} and is read from "
            f"{now.get('source_name', name)}: rows get other values when they are loaded again."
        )
        yield Change("column source", Impact.VALUES, told, name)
    if was.get("unit") != now.get("unit"):
        told = (
            f"{name} was in {was.get('unit') or 'no unit'} and is in "
            f"{now.get('unit') or 'no unit'}: the same number means something else."
        )
        yield Change("unit", Impact.BREAKING, told, name)
    for option in READING:
        if was.get(option) != now.get(option):
            told = (
                f"{option} of {name} was {was.get(option, 'as usual')} and is "
                f"{now.get(option, 'as usual')}: the source's values are read another way."
            )
            yield Change("column reading", Impact.VALUES, told, name)


def _retyped(name: str, was: str, now: str) -> Change:
    if is_wider(was, now):
        told = f"{name} was {was} and is {now}, which holds all of its values."
        return Change("type widened", Impact.COMPATIBLE, told, name)
    if is_wider(now, was):
        told = f"{name} was {was} and is {now}, which does not hold all of its values."
        return Change("type narrowed", Impact.BREAKING, told, name)
    told = f"{name} was {was} and is {now}: readers meet another type."
    return Change("type changed", Impact.BREAKING, told, name)


def is_wider(was: str, now: str) -> bool:
    """Whether a dtype, as Polars shows it, holds every value of another one exactly."""
    one, other = _INTEGER.fullmatch(was), _INTEGER.fullmatch(now)
    if one and other:
        bits, more = int(one[2]), int(other[2])
        return more > bits if one[1] == other[1] or one[1] else False
    small, large = _FLOAT.fullmatch(was), _FLOAT.fullmatch(now)
    if small and large:
        return int(large[1]) > int(small[1])
    few, many = _DECIMAL.fullmatch(was), _DECIMAL.fullmatch(now)
    if few and many:
        (digits, scale), (most, finest) = map(int, few.groups()), map(int, many.groups())
        return finest >= scale and most - finest >= digits - scale
    return False


_LEAST: Final = ("greater_than", "greater_than_or_equal_to")
_MOST: Final = ("less_than", "less_than_or_equal_to")


def _rules(name: str, was: list[str], now: list[str]) -> Iterator[Change]:
    old = {rule.partition("(")[0]: rule for rule in was}
    new = {rule.partition("(")[0]: rule for rule in now}
    for kind in dict.fromkeys([*old, *new]):
        one, other = old.get(kind), new.get(kind)
        if one == other or (one and other and _is_same(kind, one, other)):
            continue
        if other is None:
            told = f"{name} need not keep {one} any more."
            yield Change("rule removed", Impact.COMPATIBLE, told, name)
        elif one is None:
            told = f"{name} must keep {other} now: {_AGAIN}."
            yield Change("rule added", Impact.REFUSES, told, name)
        elif _is_looser(kind, one, other):
            told = f"{name} had to keep {one} and must keep {other}, which allows more."
            yield Change("rule loosened", Impact.COMPATIBLE, told, name)
        else:
            told = f"{name} had to keep {one} and must keep {other}: {_AGAIN}."
            yield Change("rule changed", Impact.REFUSES, told, name)


def _is_same(kind: str, was: str, now: str) -> bool:
    """Whether only the order of the values differs, which a set's is by chance."""
    before, after = _arguments(was), _arguments(now)
    if kind not in ("isin", "notin") or not before or not after:
        return False
    return sorted(map(repr, before[0])) == sorted(map(repr, after[0]))


def _is_looser(kind: str, was: str, now: str) -> bool:
    """Whether whatever kept the one rule keeps the other; False where that is not known."""
    before, after = _arguments(was), _arguments(now)
    if before is None or after is None:
        return False
    try:
        if kind in _LEAST:
            return bool(after[0] <= before[0])
        if kind in _MOST:
            return bool(after[0] >= before[0])
        if kind == "in_range":
            return bool(after[0] <= before[0] and after[1] >= before[1])
        if kind == "isin":
            return set(before[0]) <= set(after[0])
        if kind == "notin":
            return set(after[0]) <= set(before[0])
    except (TypeError, IndexError):
        return False
    return False


def _arguments(rule: str) -> tuple[Any, ...] | None:
    text = rule.partition("(")[2].removesuffix(")")
    try:
        found = ast.literal_eval(f"({text},)")
    except (SyntaxError, ValueError):
        return None
    return found if isinstance(found, tuple) else None


def _null_ratio(name: str, was: float | None, now: float | None) -> Iterator[Change]:
    if was == now:
        return
    stricter = now is not None and (was is None or now < was)
    told = (
        f"At most {now:.4g} of a day's {name} may be NULL, before {'any' if was is None else was}: "
        "days that are published may be refused when they are loaded again."
        if stricter and now is not None
        else f"More of a day's {name} may be NULL than before."
    )
    yield Change("null ratio", Impact.REFUSES if stricter else Impact.COMPATIBLE, told, name)
