"""Names of people, compared: do two records clearly name different people?

It is careful in one direction: names that might be one person's are never said to differ because
of a slip, an initial, a second name or the order of the words. Nicknames (Bob, Robert) do differ;
a person can merge these.
"""

from enum import StrEnum
from functools import lru_cache

import polars as pl

_SLIP_LENGTH = 5


class Names(StrEnum):
    """How the names of two records relate."""

    AGREE = "names agree"
    UNKNOWN = "a name is missing"
    FAMILY_DIFFERS = "family names differ"
    GIVEN_DIFFERS = "given names differ"
    DIFFER = "names differ"


def name_key(column: str) -> pl.Expr:
    """The words of a name in lower case without accents, titles and signs; null if none is left.

    `Müller, Anna-Lena (Dr.)` becomes `anna lena muller`.
    """
    return (
        pl.col(column)
        .str.normalize("NFKD")
        .str.replace_all(r"\p{M}|['’`]", "")  # noqa: RUF001 - typed by people
        .str.to_lowercase()
        .str.replace_all("ß", "ss", literal=True)
        .str.replace(r"^([^,]+),\s*(\S.*)$", "${2} ${1}")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.replace_all(r"\b(mr|mrs|ms|dr|prof|herr|frau|jr|sr)\b", " ")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
        .replace("", None)
    )


@lru_cache(maxsize=1 << 16)
def compare(left: str | None, right: str | None) -> Names:
    """How two names relate, each as `name_key` gives it; the order of the two does not matter."""
    if not left or not right:
        return Names.UNKNOWN
    if left == right:
        return Names.AGREE
    a, b = left.split(), right.split()
    if len(a) == 1 or len(b) == 1:  # one word may be either part of a name
        words, word = (b, a[0]) if len(a) == 1 else (a, b[0])
        return Names.UNKNOWN if any(_alike(word, w) for w in words) else Names.DIFFER
    if _alike(a[0], b[-1]) and _alike(a[-1], b[0]):
        return Names.AGREE
    given = any(_alike(x, y) for x in a[:-1] for y in b[:-1])
    family = any(_alike(a[-1], y) for y in b[1:]) or any(_alike(x, b[-1]) for x in a[1:])
    if given:
        return Names.AGREE if family else Names.FAMILY_DIFFERS
    return Names.GIVEN_DIFFERS if family else Names.DIFFER


def _alike(x: str, y: str) -> bool:
    """Equal, an initial, or one slip inside a long word: its ends tell Martin from Martina."""
    if x == y or (1 in (len(x), len(y)) and x[0] == y[0]):
        return True
    if min(len(x), len(y)) < _SLIP_LENGTH or x[0] != y[0] or x[-1] != y[-1]:
        return False
    return _is_one_slip(x, y)


def _is_one_slip(x: str, y: str) -> bool:
    """One letter changed, added or left out, or two neighbours swapped; `x` and `y` differ."""
    if len(x) > len(y):
        x, y = y, x
    at = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), len(x))
    if len(x) < len(y):
        return x[at:] == y[at + 1 :]
    return x[at + 1 :] == y[at + 1 :] or (
        x[at : at + 2] == y[at : at + 2][::-1] and x[at + 2 :] == y[at + 2 :]
    )
