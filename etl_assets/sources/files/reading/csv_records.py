"""The strict road through CSV: record by record, so that only the bad ones are set aside.

Python's own `csv` does not tell an empty field from an empty text, nor where a record begins, and
takes a quote amid a field for a character; hence this one. The rules:

- A field is quoted as a whole or not at all; within, a quote is written twice.
- A record that breaks a rule ends with the line on which it does so; the next line is a record.
- A quote that is never closed takes what follows with it: what may be inside of quotes is never
  loaded as records. The bad record says how many lines that are.
- A line feed ends a record, with a carriage return before it or not.

How many fields there should be, and what they mean, does not belong here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from etl_assets.core.file_formats import Csv

OPEN_QUOTE = "has a quote that is not closed; all lines up to the end of the file are set aside"


@dataclass(frozen=True)
class Record:
    """A record from `start` to `end` (its line feed) in a text.

    `fields` holds null for an unquoted empty field; blank lines and comments have no fields.
    `reason` says why the record is bad, None if it is not.
    """

    start: int
    end: int
    fields: list[str | None]
    reason: str | None = None
    kind: Literal["record", "blank", "comment"] = "record"


class Records:
    """Takes text in one dialect apart."""

    def __init__(self, dialect: Csv) -> None:
        self._quote, self._comment = dialect.quote, dialect.comment
        self._quoted_empty = None if dialect.quoted_empty == "null" else ""
        self._delimiter = dialect.delimiter
        delimiter = re.escape(dialect.delimiter)
        self._end = re.compile(rf"({delimiter})|\r?\n")
        if dialect.quote is None:
            self._plain = re.compile(rf"[^{delimiter}\r\n\0]*")
            self._special = re.compile(r"[\r\0]")
        else:
            quote = re.escape(dialect.quote)
            self._plain = re.compile(rf"[^{quote}{delimiter}\r\n\0]*")
            self._special = re.compile(rf"[{quote}\r\0]")
            self._quoted = re.compile(
                rf"{quote}([^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+){quote}"
            )

    def of(self, text: str) -> Iterator[Record]:
        """The records of a text that begins with one and ends with a line feed.

        A record whose quote is still open at the end is not yielded, nor is anything after it.
        """
        place = 0
        while place < len(text):
            if text[place] == self._comment:
                end = text.index("\n", place)
                record: Record | None = Record(place, end, [], kind="comment")
            else:
                record = self._record(text, place)
            if record is None:
                return
            yield record
            place = record.end + 1

    def is_open(self, text: str) -> bool:
        """Whether a quote is open at the end of a text that is the begin of one record."""
        return self._record(text + "\n", 0) is None

    def _record(self, text: str, start: int) -> Record | None:
        last = text.index("\n", start)
        line = text[start:last].removesuffix("\r")
        if self._special.search(line) is None:  # as most are, also where others are bad
            values = [value or None for value in line.split(self._delimiter)]
            return Record(start, last, values) if line else Record(start, last, [], kind="blank")
        fields: list[str | None] = []
        place = start
        while True:
            if self._quote is not None and text[place] == self._quote:
                quoted = self._quoted.match(text, place)
                if quoted is None:
                    return None
                value = quoted[1].replace(self._quote * 2, self._quote) or self._quoted_empty
                if "\0" in quoted[1]:
                    return _bad(text, start, quoted.end(), fields, "has a NUL byte")
                place = quoted.end()
            else:
                plain = self._plain.match(text, place)
                value = (plain and plain[0]) or None
                place = plain.end() if plain else place
                quoted = None
            end = self._end.match(text, place)
            if end is None:
                return _bad(
                    text, start, place, fields, self._fault(text[place], quoted is not None)
                )
            if end[1] is None:
                return Record(start, end.end() - 1, [*fields, value])
            fields.append(value)
            place = end.end()

    def _fault(self, sign: str, is_quoted: bool) -> str:
        if sign == "\0":
            return "has a NUL byte"
        if sign == "\r":
            return "has a carriage return that ends no line"
        if is_quoted:
            return "has text after a closing quote"
        return "has a quote amid a field that is not quoted"


def _bad(text: str, start: int, place: int, fields: list[str | None], reason: str) -> Record:
    return Record(start, text.index("\n", place), fields, reason)
