"""A column's checks in words, made of how Pandera words them (`core/check_names.py`)."""

import ast
import re
from collections.abc import Iterable, Sequence

from etl_assets.core.contracts import Column

_RULE = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_WORDS = {
    "equal_to": "is {0}",
    "not_equal_to": "is not {0}",
    "greater_than": "greater than {0}",
    "greater_than_or_equal_to": "at least {0}",
    "less_than": "less than {0}",
    "less_than_or_equal_to": "at most {0}",
    "in_range": "from {0} to {1}",
    "str_contains": "contains {0}",
    "str_endswith": "ends with {0}",
    "str_startswith": "begins with {0}",
    "str_matches": "matches {0}",
}
_OF_VALUES = {
    "isin": ("one of {0}", "one of {0} values"),
    "notin": ("none of {0}", "none of {0} values"),
    "unique_values_eq": ("all of {0} and nothing else", "all of {0} values and nothing else"),
}
_QUOTING = ("equal_to", "not_equal_to", "str_contains", "str_endswith", "str_startswith")
"""Rules that name a value, which is nobody's business where the column is personal."""


def rules_in_words(column: Column) -> list[str]:
    """What each value must be; a check of one's own is its name. No personal value is quoted."""
    bound = column.max_null_ratio
    nulls = [] if bound is None else [f"at most {bound:.0%} of a day are null"]
    return [*(_words(rule, is_personal=column.personal) for rule in column.rules), *nulls]


def _words(rule: str, *, is_personal: bool) -> str:
    name, arguments = _taken_apart(rule)
    if arguments is None:
        return f"keeps `{rule}`"
    if name == "str_length":
        return _length(arguments)
    if name in _OF_VALUES:
        told, counted = _OF_VALUES[name]
        values = arguments[0] if isinstance(arguments[0], Iterable) else arguments
        shown = list(map(_quoted, values))
        return counted.format(len(shown)) if is_personal else told.format(", ".join(shown))
    if is_personal and name in _QUOTING:
        return _WORDS[name].format("a value that is not shown")
    return _WORDS[name].format(*map(_quoted, arguments))


def _taken_apart(rule: str) -> tuple[str, Sequence[object] | None]:
    """Name and arguments of a built-in check; None for what is none."""
    found = _RULE.fullmatch(rule)
    if found is None or found[1] not in {*_WORDS, *_OF_VALUES, "str_length"}:
        return rule, None
    name, text = found.groups()
    if name.startswith("str_") and name != "str_length":
        return name, [text[1:-1]]  # a pattern stands there as it is, without escapes
    try:
        arguments = ast.literal_eval(f"({text},)")
    except (SyntaxError, ValueError):  # a day, a moment or a decimal
        return name, text.split(", ") if name == "in_range" else [text.strip("[]")]
    return name, arguments


def _length(arguments: Sequence[object]) -> str:
    least, most = arguments[0], arguments[-1]
    if most is None:
        return f"at least {least} characters"
    if least is None:
        return f"at most {most} characters"
    return f"{least} characters" if least == most else f"{least} to {most} characters"


def _quoted(value: object) -> str:
    return f"`{value}`"
