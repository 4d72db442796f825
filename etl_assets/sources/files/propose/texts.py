"""Text to a guess: the rules in their order, text where in doubt.

A word like NA means null only in a column whose other values are something else than text.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from etl_assets.core.file_formats import Texts
from etl_assets.sources.files.propose.guess import Doubt, Guess, Values
from etl_assets.sources.files.propose.mixed import why_mixed
from etl_assets.sources.files.propose.moments import moment
from etl_assets.sources.files.propose.numbers import number, proven_sign

_NULLS = (
    *(
        "NULL",
        "null",
        "Null",
        "NA",
        "N/A",
        "n/a",
        "na",
        "#N/A",
        "NaN",
        "nan",
        "None",
        "none",
        "nil",
    ),
    *("-", "--", "?", r"\N", "(null)", "<null>", "."),
)
_TRUE, _FALSE = Texts().true, Texts().false
_YES_AND_NO = ({"yes", "no"}, {"y", "n"}, {"ja", "nein"}, {"j", "n"}, {"oui", "non"}, {"t", "f"})
_STAYS = "Kept as text"


def values_in(name: str, texts: Sequence[str | None]) -> Values:
    """The different texts without padding, without empty ones."""
    found = pl.Series(name, texts, dtype=pl.String).drop_nulls().str.strip_chars(" \t")
    return Values(name, found.filter(found != "").unique(maintain_order=True))


def decimal_sign(columns: Sequence[Values]) -> str | None:
    """The decimal sign that some column of the files proves, and none the other one."""
    signs = {proven_sign(values) for values in columns if values.texts.len()} - {None}
    return signs.pop() if len(signs) == 1 else None


def guess_of(name: str, texts: Sequence[str | None], *, proven: str | None) -> Guess:
    """The guess for a column of CSV; None is an empty field without quotes, "" one with them."""
    guess = _typed(name, texts, proven)
    given = pl.Series(texts, dtype=pl.String)
    is_unique = not guess.nullable and given.n_unique() == given.len()
    return replace(guess, is_unique=is_unique)


def guess_of_string(name: str, texts: Sequence[str]) -> Guess:
    """The guess for texts that JSON says are texts: digits stay text, dates may be dates."""
    values = Values(name, pl.Series(name, texts, dtype=pl.String).unique(maintain_order=True))
    found = moment(values) if values.texts.len() and values.all_match("[0-9A-Z].*") else None
    if isinstance(found, Guess):
        return found
    if found is None and values.texts.len():
        why = why_mixed(values, lambda _digits: None, moment)
        found = Doubt(why) if why else None
    notes = [f"{_STAYS}: {found.why}."] if isinstance(found, Doubt) else []
    return Guess(name, pl.String(), notes=tuple(notes))


def _typed(name: str, texts: Sequence[str | None], proven: str | None) -> Guess:
    has_nulls = any(text is None for text in texts)
    values = values_in(name, texts)
    if not values.texts.len():
        has_values = any(text is not None for text in texts)
        empty = Guess(name, pl.String(), nullable=has_nulls or not has_values)
        return empty.noting("Empty everywhere in the sample: what it holds is not known.")
    words = [word for word in _NULLS if word in values.texts]
    found, used = _ruled(values, proven), []
    if not isinstance(found, Guess) and words:
        others = Values(name, values.texts.filter(~values.texts.is_in(words)))
        if others.texts.len() and isinstance(without := _ruled(others, proven), Guess):
            found, used = without, words
    if not isinstance(found, Guess):
        text = Guess(name, pl.String(), nullable=has_nulls)
        if found is None:
            others = Values(name, values.texts.filter(~values.texts.is_in(words)))
            why = why_mixed(others, lambda few: number(few, proven=proven), moment)
            found = Doubt(why) if why else None
        if isinstance(found, Doubt):
            text = text.noting(f"{_STAYS}: {found.why}.")
        if words:
            shown = ", ".join(map(repr, words))
            text = text.noting(
                f"{shown} {'is' if len(words) == 1 else 'are'} kept as text too: if it means null, "
                f"nullable=True and Texts(null={('', *words)!r})."
            )
        return text
    return _finished(found, texts, used)


def _finished(found: Guess, texts: Sequence[str | None], words: Sequence[str]) -> Guess:
    """With what else its texts need: words for null, padding that is cut."""
    given = pl.Series(texts, dtype=pl.String)
    padded = bool((given != given.str.strip_chars(" \t")).any())
    empty = bool((given == "").any())
    options = found.text or Texts()
    if words:
        options = replace(options, null=("", *words))
        shown = ", ".join(map(repr, words))
        found = found.noting(
            f"{shown} in it {'means' if len(words) == 1 else 'mean'} null here: the word itself is "
            "not kept."
        )
    if padded or empty:
        options = replace(options, trim=True)
        why = "blanks around values are cut" if padded else 'an empty text in quotes ("") is null'
        found = found.noting(f"Texts(trim=True): {why}.")
    nullable = bool(words) or empty or given.null_count() > 0
    blank = padded and bool((given.str.strip_chars(" \t") == "").any())
    return replace(
        found,
        nullable=nullable or blank,
        text=None if options == Texts() else options,
    )


def _ruled(values: Values, proven: str | None) -> Guess | Doubt | None:
    """The first rule that has something to say."""
    name = values.name
    if set(values.texts) <= {*_TRUE, *_FALSE}:
        return Guess(name, pl.Boolean())
    lowered = set(values.texts.head(4).str.to_lowercase())
    if values.texts.len() <= 4 and any(lowered <= words for words in _YES_AND_NO):
        words = ", ".join(sorted(map(repr, values.texts)))
        return Doubt(
            f"{words} may be a boolean: pl.Boolean with Texts(true=(…,), false=(…,)), if there "
            "are no other words"
        )
    return moment(values) or number(values, proven=proven)
