"""How texts of other systems are read: addresses, names, yes and no, segments. Pure.

Each rule is one Polars expression, null where a text says nothing. What needs a single value (a
model, a look-up) applies the same expression to it with `of_one`, so that no rule exists twice.
Phones are `phones.py`, countries `countries.py`.
"""

from collections.abc import Callable
from typing import Any, Final

import polars as pl

EMAIL: Final = r"^[^@\s]+@[^@\s]+$"
"""What an e-mail address looks like, as far as anything may be concluded from its letters."""

SEGMENTS: Final = ("consumer", "business", "vip")
"""The kinds of customers that all systems know."""

_YES: Final = ("y", "yes", "true", "t", "1", "on", "j", "ja")
_NO: Final = ("n", "no", "false", "f", "0", "off", "nein")
_BOOLEANS: Final = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}


def of_one(rule: Callable[..., pl.Expr], *texts: str | None) -> Any:
    """What a rule makes of one text, or of one of each of its columns; about 0.1 ms."""
    return pl.select(rule(*(pl.lit(text, pl.String) for text in texts))).item()


def as_text(given: bool | str | None) -> str | None:
    """A flag as a text that `boolean` reads: a system may have a boolean here and a word there."""
    return given if given is None or isinstance(given, str) else _YES[0] if given else _NO[0]


def email(text: pl.Expr) -> pl.Expr:
    """Trimmed and in lower case (String); what is no address stays, for a contract to refuse."""
    return _filled(text.str.strip_chars().str.to_lowercase())


def address(text: pl.Expr) -> pl.Expr:
    """The same, and null for what is no address: `n/a`, `-` (String)."""
    found = email(text)
    return pl.when(found.str.contains(EMAIL)).then(found)


def first_address(texts: pl.Expr) -> pl.Expr:
    """The first of a list of texts that is an address (String)."""
    return texts.list.eval(address(pl.element()).drop_nulls()).list.first()


def boolean(text: pl.Expr) -> pl.Expr:
    """Yes and no in the spellings of old systems (Boolean); null for anything else."""
    word = text.str.strip_chars().str.to_lowercase()
    return word.replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)


def segment(text: pl.Expr) -> pl.Expr:
    """One of SEGMENTS in any case (String); null for anything else."""
    word = text.str.strip_chars().str.to_lowercase()
    return pl.when(word.is_in(SEGMENTS)).then(word)


def segment_of_flag(is_vip: pl.Expr) -> pl.Expr:
    """`vip` where a system says so (String); it does not say what the others are."""
    return pl.when(boolean(is_vip)).then(pl.lit("vip"))


def person_name(text: pl.Expr) -> pl.Expr:
    """Without spaces around it, and one for several within (String)."""
    return _filled(text.str.replace_all(r"\s+", " ").str.strip_chars(" "))


def joined_name(given: pl.Expr, family: pl.Expr) -> pl.Expr:
    """Given name, then family name; one of them where the other is missing (String)."""
    return person_name(pl.concat_str([given, family], separator=" ", ignore_nulls=True))


def turned_name(text: pl.Expr) -> pl.Expr:
    """`Family, Given` as `Given Family` (String); what follows another comma comes last.

    `O'Connor, Sean, Jr.` is Sean O'Connor Jr. A part that is empty is left out.
    """
    parts = text.str.split(",").list.eval(person_name(pl.element()).drop_nulls())
    turned = pl.concat_list(
        parts.list.slice(1, 1), parts.list.slice(0, 1), parts.list.slice(2)
    ).list.join(" ")
    return _filled(turned)


def _filled(text: pl.Expr) -> pl.Expr:
    """Null where no letter is left."""
    return pl.when(text != "").then(text)
