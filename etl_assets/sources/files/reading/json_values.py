"""The values of one key of many JSON objects, gathered as text for `values.py`.

How lines become objects does not belong here.
"""

from dataclasses import replace
from typing import Protocol

import msgspec
import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.sources.files.reading.values import NUL, Values, values_of

_TEXT = msgspec.json.Decoder(str)
_NUMBER = b"-0123456789"


class WrongType(Exception):
    """A line or a value is not what it must be; the message is the reason, without values."""

    def __init__(self, reason: str, *, is_of_column: bool = True) -> None:
        super().__init__(reason)
        self.is_of_column = is_of_column


class Gathered(Protocol):
    """The values of one column so far."""

    column: Column

    def take(self, raw: bytes | None) -> None:
        """Add a value as it is written, None for a key that is missing; raises WrongType."""

    def keep(self, rows: int) -> None:
        """Forget all but the first `rows` values."""

    def values(self) -> Values:
        """The values in the contract's dtype."""


def as_json(column: Column) -> Column:
    """The column for `values_of`: JSON says itself what is null, so that "" is an empty text."""
    if column.text is None:
        return column
    words = tuple({"": 0, **dict.fromkeys(column.text.null)})
    return replace(column, text=replace(column.text, null=words))


def gathered(column: Column) -> Gathered:
    """An empty one for the column."""
    if column.logical == "json":
        return _Raws(column)
    return _Typed(column)


class _Raws:
    def __init__(self, column: Column) -> None:
        self.column = column
        self._raws: list[str | None] = []

    def take(self, raw: bytes | None) -> None:
        text = None if raw is None else raw.decode()
        self._raws.append(None if text == "null" else text)

    def keep(self, rows: int) -> None:
        del self._raws[rows:]

    def values(self) -> Values:
        return values_of(_arrow(self._raws), replace(self.column, text=None))


class _Typed:
    """Values as they are written, and those that are written as text apart."""

    def __init__(self, column: Column) -> None:
        self.column = column
        dtype = column.dtype
        self._is_number, self._is_boolean = dtype.is_numeric(), isinstance(dtype, pl.Boolean)
        self._takes_text = column.text is not None or not (self._is_number or self._is_boolean)
        self._written: list[str | None] = []
        self._texts: list[str | None] = []

    def take(self, raw: bytes | None) -> None:
        written = text = None
        if raw is not None:
            first = raw[0]
            if first == 0x22 and self._takes_text:
                text = _text(raw)
            elif (self._is_number and first in _NUMBER) or (self._is_boolean and first in b"tf"):
                written = raw.decode()
            elif first != 0x6E:
                raise WrongType(f"has a JSON {_kind(first)}, and the column is {self.column.dtype}")
        self._written.append(written)
        self._texts.append(text)

    def keep(self, rows: int) -> None:
        del self._written[rows:], self._texts[rows:]

    def values(self) -> Values:
        column = as_json(self.column)
        if not (self._is_number or self._is_boolean):
            return values_of(_arrow(self._texts), column)
        if not self._takes_text:
            return values_of(_arrow(self._written), column)
        written = values_of(_arrow(self._written), replace(column, text=None, nullable=True))
        texts = values_of(_arrow(self._texts), replace(column, nullable=True))
        is_text = pl.Series([text is not None for text in self._texts], dtype=pl.Boolean)
        values = texts.values.zip_with(is_text, written.values)
        failed = written.failed if texts.failed is None else texts.failed
        if written.failed is not None and texts.failed is not None:
            failed = written.failed | texts.failed
        empty = None
        if not self.column.nullable and values.null_count():
            empty = values.is_null() if failed is None else values.is_null() & ~failed
        return Values(values, failed, texts.reason, empty)


def _arrow(texts: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def _text(value: bytes) -> str:
    text = _TEXT.decode(value)
    if "\0" in text:
        raise WrongType(NUL)
    return text


def _kind(first: int) -> str:
    kinds = {0x22: "text", 0x7B: "object", 0x5B: "array", 0x74: "boolean", 0x66: "boolean"}
    return kinds.get(first, "number")
