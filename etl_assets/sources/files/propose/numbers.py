"""Text that may be numbers: integers and decimals, and why a column of digits may be no number.

No decimal becomes a float: that would round it.
"""

import re
from dataclasses import dataclass

import polars as pl

from etl_assets.core.file_formats import Texts
from etl_assets.sources.files.propose.guess import Doubt, Guess, Values

_CODES = frozenset(
    (
        *("zip", "plz", "postal", "postcode", "phone", "tel", "telephone", "mobile", "fax", "ean"),
        *("gtin", "upc", "isbn", "iban", "bic", "sku", "account", "konto", "ssn", "tax", "vat"),
        *("barcode", "hts", "hs"),
    )
)
"""Parts of the names of columns whose digits are no numbers."""

_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_ROOM = 15  # digits seen at the most, so that Decimal(18, s) leaves some room


@dataclass(frozen=True)
class Signs:
    """The decimal sign of numbers, and the sign between thousands, if any."""

    decimal: str
    thousands: str | None

    @property
    def pattern(self) -> str:
        """The texts that are numbers with these signs."""
        whole = "[0-9]+"
        if self.thousands:
            whole = rf"(?:[0-9]{{1,3}}(?:{re.escape(self.thousands)}[0-9]{{3}})+|[0-9]+)"
        return rf"-?{whole}(?:{re.escape(self.decimal)}[0-9]+)?"


_POINT, _COMMA = Signs(".", None), Signs(",", None)
_SIGNS = (
    *(_POINT, _COMMA, Signs(".", ","), Signs(",", ".")),
    *(Signs(".", "'"), Signs(".", " "), Signs(",", " "), Signs(",", "\u00a0")),
)


def number(values: Values, *, proven: str | None) -> Guess | Doubt | None:
    """Int64 or Decimal, or why it is none; None for texts that have nothing of numbers.

    `proven` is the decimal sign that other columns of the files have beyond doubt.
    """
    if values.any_match(r"[+-]?[0-9.,]*[0-9][eE][+-]?[0-9]+") and values.all_match(
        r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?"
    ):
        return Doubt(
            "numbers with exponents: no decimal of a fixed scale holds them, and pl.Float64 rounds"
        )
    if values.all_match(r"[+-]?[0-9.,' \u{a0}]*[0-9][0-9.,' \u{a0}]*") is False:
        return None
    if values.all_match("-?[0-9]+"):
        return _integer(values)
    if values.any_match(r"-?0[0-9].*"):
        return Doubt("leading zeros, which a number would lose")
    if values.any_match(r"\+.*"):
        return Doubt("signs + in front, which a number would lose")
    if values.any_match(r"-0+(?:[.,]0*)?"):
        return Doubt("a negative zero, which a decimal does not have")
    fitting = [signs for signs in _SIGNS if values.all_match(signs.pattern)]
    used = [signs for signs in fitting if not signs.thousands or _uses(values, signs)]
    if not used:
        return None
    if len(used) > 1 and proven is not None:
        used = [signs for signs in used if signs.decimal == proven] or used
    if len(used) > 1:
        return Doubt(
            "numbers in which one sign may be the decimal sign or that of thousands: with "
            f"Texts(decimal={used[0].decimal!r}) or Texts(decimal={used[1].decimal!r}, "
            f"thousands={used[1].thousands!r}) as pl.Decimal, once you know which"
        )
    return _decimal(values, used[0])


def proven_sign(values: Values) -> str | None:
    """The decimal sign of a column of numbers that can be read in one way only, else None."""
    found = number(values, proven=None)
    if not isinstance(found, Guess) or not isinstance(found.dtype, pl.Decimal):
        return None
    return found.text.decimal if found.text else "."


def _uses(values: Values, signs: Signs) -> bool:
    return bool(values.texts.str.contains(signs.thousands or "", literal=True).any())


def _integer(values: Values) -> Guess | Doubt:
    if values.any_match("-?0[0-9]+"):
        return Doubt("leading zeros, which a number would lose")
    if values.any_match("-0"):
        return Doubt("a negative zero, which an integer does not have")
    if not values.are_all(pl.Int64()):
        return Doubt("integers of more than 64 bits, which pl.Int64 does not hold")
    if {part.lower() for part in _PARTS.findall(values.name)} & _CODES:
        return Doubt(
            "digits of what its name calls a code: the sample has no leading zeros, but a number "
            "would lose them"
        )
    guess = Guess(values.name, pl.Int64())
    if values.all_match("[01]"):
        return guess.noting(
            '0 and 1 may be a boolean: pl.Boolean with Texts(true=("1",), false=("0",)).'
        )
    return guess


def _decimal(values: Values, signs: Signs) -> Guess | Doubt:
    texts = values.texts
    if signs.thousands:
        texts = texts.str.replace_all(signs.thousands, "", literal=True)
    parts = texts.str.strip_prefix("-").str.split_exact(signs.decimal, 1).struct.unnest()
    whole, scale = (max(parts[name].str.len_chars().fill_null(0)) for name in parts.columns)
    if whole + scale > 38:
        return Doubt("decimals of more than 38 digits, which no pl.Decimal holds")
    precision = 18 if whole + scale <= _ROOM else 38
    options = None
    if signs != _POINT:
        options = Texts(decimal=signs.decimal, thousands=signs.thousands)
    dtype = pl.Decimal(precision, scale) if scale else pl.Int64()
    if not values.are_all(dtype, options):
        return Doubt("numbers in more than one way of writing")
    notes = []
    if signs.decimal != ".":
        notes.append(
            f"The decimal sign is {signs.decimal!r}: if it were that of thousands, values would be "
            "a thousand times too small."
        )
    if signs.thousands:
        notes.append(f"The sign between thousands is {signs.thousands!r}.")
    return Guess(values.name, dtype, text=options, notes=tuple(notes))
