"""Why a column stays text of which most values are numbers, dates or moments, and some are not.

The values themselves are not told, as nothing of a file is in a proposal: a value may be personal.
What they look like is, with a 9 for each digit and an a for each letter.
"""

import re
from collections.abc import Callable
from itertools import islice

import polars as pl

from etl_assets.core.wording import count_of
from etl_assets.sources.files.propose.guess import Doubt, Guess, Values

_LEAST_SHARE = 0.5  # below it the column is one of text, and nobody asks why
_MOST_SHAPES, _LONGEST = 3, 16
_NUMBERS = r"[+-]?[0-9.,' \u{a0}]*[0-9][0-9.,' \u{a0}]*"
_MOMENTS = r"[0-9].*[0-9].*[0-9].*"
_BREAK = r"[-./: ]"
_LOOKS = ((re.compile(r"[0-9]"), "9"), (re.compile(r"[^\W\d_]"), "a"), (re.compile(r"\s"), " "))

Rule = Callable[[Values], Guess | Doubt | None]


def why_mixed(values: Values, number: Rule, moment: Rule) -> str | None:
    """Which of the values keep the column from being what most of them are; None where no more than
    half of the different values would make another column than one of text.
    """
    numbers = values.texts.str.contains(f"^(?:{_NUMBERS})$")
    moments = values.texts.str.contains(f"^(?:{_MOMENTS})$") & values.texts.str.contains(_BREAK)
    return _odd(values, numbers, number) or _odd(values, moments, moment)


def _odd(values: Values, are: pl.Series, rule: Rule) -> str | None:
    total, fitting = len(are), int(are.sum() or 0)
    if fitting == total or fitting <= total * _LEAST_SHARE:
        return None
    found = rule(Values(values.name, values.texts.filter(are)))
    if not isinstance(found, Guess):
        return None
    odd = values.texts.filter(~are)
    shapes = list(islice(dict.fromkeys(map(_shape, odd)), _MOST_SHAPES + 1))
    shown = ", ".join(map(repr, shapes[:_MOST_SHAPES]))
    more = ", …" if len(shapes) > _MOST_SHAPES else ""
    is_one = len(odd) == 1
    return (
        f"{len(odd):,} of {count_of(total, 'different value')} {'is' if is_one else 'are'} no "
        f"{_named(found.dtype)}{'' if is_one else 's'}, and {'looks' if is_one else 'look'} like "
        f"{shown}{more} (9 is a digit, a a letter). With another dtype the lines of such values go "
        "to quarantine"
    )


def _shape(text: str) -> str:
    for pattern, sign in _LOOKS:
        text = pattern.sub(sign, text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _named(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Datetime):
        return "moment"
    return {pl.Int64: "integer", pl.Date: "date", pl.Time: "time"}.get(type(dtype), "number")
