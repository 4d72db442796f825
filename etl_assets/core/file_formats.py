"""What a table's spec says of its files: their format, their compression, how text is a value.

Data only. Files are read in `etl_assets/sources/files/reading/`; which objects are a table's files
does not belong here either.
"""

import codecs
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from etl_assets.core.spec_classes import spec_class

DIRECTIVES = {
    "Y": "[0-9]{4}",
    "m": "[0-9]{1,2}",
    "d": "[0-9]{1,2}",
    "H": "(?:[01]?[0-9]|2[0-3])",
    "I": "(?:0?[1-9]|1[0-2])",
    "M": "[0-5]?[0-9]",
    "S": "[0-5]?[0-9]",
    "p": "(?:AM|PM|am|pm)",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]+",
    "j": "[0-9]{3}",
    "z": "[+-][0-9]{2}:?[0-9]{2}",
    "%": "%",
}
"""The directives that a format may have, each with the regular expression of its texts.

A year of two digits (`%y`) is none of them: which century it means would be a guess.
"""

FRACTION = ".%f"
"""The fraction of a second in a format: 1 to 6 digits after a point; further digits must be 0."""


class Compression(StrEnum):
    """How a file is packed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


def compression_of(key: str) -> Compression:
    """What the suffix of an object's key says: `.gz`, `.zst` or neither."""
    lowered = key.lower()
    if lowered.endswith(".gz"):
        return Compression.GZIP
    return Compression.ZSTD if lowered.endswith(".zst") else Compression.NONE


@spec_class
@dataclass(frozen=True)
class Csv:
    """Text with one record a line and a delimiter between its fields.

    `delimiter`, `quote` and `comment` are one ASCII character each. A quoted field may hold
    delimiters and line ends, and a quote that is written twice; with `quote=None` no character
    quotes. Lines that begin with `comment` are skipped. With `header=False` the fields are the
    contract's columns in its order. `encoding` is a codec of Python's. `quoted_empty` says what
    `""` is: an empty text, or null as an unquoted empty field is. Raises ValueError for a dialect
    that cannot be read.
    """

    delimiter: str = ","
    quote: str | None = '"'
    header: bool = True
    encoding: str = "utf-8"
    comment: str | None = None
    quoted_empty: Literal["text", "null"] = "text"

    def __post_init__(self) -> None:
        signs = {"delimiter": self.delimiter, "quote": self.quote, "comment": self.comment}
        given = {name: sign for name, sign in signs.items() if sign is not None}
        for name, sign in given.items():
            if len(sign) != 1 or not sign.isascii() or sign in "\r\n\0":
                raise ValueError(
                    f"The {name} of a Csv is one ASCII character and no line end, not {sign!r}."
                )
        if len(set(given.values())) < len(given):
            raise ValueError(f"The {', '.join(given)} of a Csv must be different characters.")
        if self.delimiter.isalnum() or self.delimiter in "+-.":
            raise ValueError(f"{self.delimiter!r} is part of values and cannot delimit a Csv.")
        try:
            codecs.getincrementaldecoder(self.encoding)("strict").decode("a".encode(self.encoding))
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"Python has no text encoding {self.encoding!r} for a Csv.") from None


@spec_class
@dataclass(frozen=True)
class JsonLines:
    """One JSON object a line, in UTF-8."""


@spec_class
@dataclass(frozen=True)
class Parquet:
    """A Parquet file, whose footer must fit the contract without any loss."""


FileFormat = Csv | JsonLines | Parquet


@spec_class
@dataclass(frozen=True)
class Texts:
    """How the text in a file becomes the values of one column.

    `formats`: of dates and times, as for `strptime`, tried in turn; none means ISO 8601. `decimal`
    and `thousands`: the signs in numbers. `true`, `false`: the words of a boolean. `null`: the
    words that mean null; "" is the empty field, and one in quotes is a text unless the format says
    otherwise; other words count in quotes, too. `trim` cuts blanks and tabs off both ends before
    anything else, and an empty rest is what "" is. Raises ValueError for what cannot be.
    """

    formats: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str | None = None
    true: tuple[str, ...] = ("true", "True", "TRUE")
    false: tuple[str, ...] = ("false", "False", "FALSE")
    null: tuple[str, ...] = ("",)
    trim: bool = False

    def __post_init__(self) -> None:
        for name in ("formats", "true", "false", "null"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f'The {name} of Texts are a tuple of texts: write ("…",).')
        for signs in (self.decimal, self.thousands):
            if signs is not None and (len(signs) != 1 or signs.isalnum() or signs in "+-"):
                raise ValueError(f"A sign in the numbers of Texts is one character, not {signs!r}.")
        if self.decimal == self.thousands:
            raise ValueError(f"Texts has {self.decimal!r} for both decimal and thousands.")
        if set(self.true) & set(self.false) or set(self.null) & {*self.true, *self.false}:
            raise ValueError("A word of Texts can mean only one of true, false and null.")
        if not self.true or not self.false:
            raise ValueError("Texts needs a word for true and one for false.")
        for form in self.formats:
            pattern_of(form)


def pattern_of(form: str) -> str:
    """The regular expression of the texts that a format stands for; ValueError if it has no date.

    A format of times alone is one with neither year, month nor day.
    """
    pattern, rest, seen = "", form, ""
    while rest:
        if rest.startswith(FRACTION):
            pattern, rest = pattern + r"\.[0-9]{1,6}0*", rest[len(FRACTION) :]
        elif rest[0] == "%":
            if rest[1:2] not in DIRECTIVES or rest == "%":
                raise ValueError(
                    f"The format {form!r} has {rest[:2]!r}: Texts knows "
                    f"{', '.join('%' + name for name in DIRECTIVES)} and {FRACTION}."
                )
            pattern, seen, rest = pattern + DIRECTIVES[rest[1]], seen + rest[1], rest[2:]
        else:
            pattern, rest = pattern + re.escape(rest[0]), rest[1:]
    has_day = "Y" in seen and ("j" in seen or ("d" in seen and set(seen) & set("mbB")))
    if not has_day and (set(seen) & set("YmdbBjz") or not set(seen) & set("HI")):
        raise ValueError(f"The format {form!r} has neither a whole date nor a time alone.")
    if ("I" in seen) != ("p" in seen):
        raise ValueError(f"The format {form!r} needs both %I and %p, or neither.")
    return f"^{pattern}$"
