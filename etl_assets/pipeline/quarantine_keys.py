"""Whether a row in quarantine has a key: by the place that is on record, or by its values.

Rows that broke a rule say their key in their place. Lines of files and items of APIs say there
where they stand, so that their values are read. What is done with the rows does not belong here.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Csv
from etl_assets.core.json_objects import fields_begun, written
from etl_assets.core.partitions import WHOLE
from etl_assets.core.rows import keys_of
from etl_assets.core.source_specs import Files
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.row_search import as_key
from etl_assets.sources.files.declared import columns_of_files

_PART = re.compile(r"(?P<name>[^=#]+?)(?: IS (?P<null>NULL)|(?P<sign>[=#])(?P<text>.*))", re.DOTALL)
_NEXT_PART = re.compile(r",\s*(?=[^,=#]+=|[^,=#\s]+#|[^,=#]+ IS NULL(?:,|$))")
_LINE = re.compile(r'(?P<file>"(?:[^"\\]|\\.)*") line (?P<line>\d+)$')

Values = Mapping[str, Sequence[Any]]
"""The values of each name; a name may come twice."""


@dataclass(frozen=True)
class KeyPart:
    """A column's part of a key: `place` is how a place says it (`id=7`), `text` its value.

    `text` is None for NULL, and for the digest of a personal value (`is_digest`).
    """

    name: str
    place: str
    text: str | None
    is_digest: bool = False

    def is_in(self, position: str) -> bool:
        """Whether the place says it: that of id=7 is none of order_id=7 and of id=70."""
        whole = rf"(?:^|[ ,]){re.escape(self.place)}(?:, | at |$)"
        return re.search(whole, position) is not None

    def is_one_of(self, values: Iterable[Any], column: Column | None) -> bool:
        """Whether one of the values is this part's, as a text or as the column reads it."""
        return not self.is_digest and any(self._is(value, column) for value in values)

    def _is(self, value: Any, column: Column | None) -> bool:
        if value is None or self.text is None:
            return value is None and self.text is None
        text = value if isinstance(value, str) else written(value)
        if text == self.text or column is None:
            return text == self.text
        try:
            return bool(as_key(column, text) == as_key(column, self.text))
        except ValueError:
            return False


@dataclass(frozen=True)
class WantedKey:
    """A key, or some columns of one, that rows in quarantine are looked for by."""

    parts: Sequence[KeyPart]

    @classmethod
    def typed(cls, text: str) -> "WantedKey":
        """Of `order_id=7` or `day=2024-01-01, id=7`, as places have it; ValueError for others."""
        parts = []
        for one in _NEXT_PART.split(text.strip()):
            found = _PART.fullmatch(one)
            if found is None:
                raise ValueError(f"{one!r} is no name and value")
            is_digest = found["sign"] == "#"
            value = None if found["null"] or is_digest else found["text"]
            parts.append(KeyPart(found["name"], one, value, is_digest))
        return cls(parts)

    @classmethod
    def of(cls, table: LayerTable, values: Mapping[str, Any]) -> "WantedKey | None":
        """Of the table's key among the values; None if it is not whole, or no row can have it."""
        if not set(table.key) <= values.keys():
            return None
        parts = []
        for name in table.key:
            column = table.column(name)
            typed = pl.Series(name, [values[name]]).cast(column.dtype, strict=False)
            if typed.null_count() and values[name] is not None:
                return None
            (place,) = keys_of(typed.to_frame(), [column])
            text = None if values[name] is None else _text(values[name])
            parts.append(KeyPart(name, place, text))
        return cls(parts)

    def finds(self, table: LayerTable, day: date, position: str, payload: str) -> str | None:
        """How the row has the key: `key`, or `line`; None if it has not.

        `line` is of a CSV line, of which only the fields are known and not their names.
        """
        if all(part.is_in(position) for part in self.parts):
            return "key"
        given = _given(table, day, position)
        if payload.lstrip().startswith("{"):
            values = [*given, *fields_begun(payload)]
            return "key" if self._is_among(table, _by_name(values)) else None
        fields = _fields(table, payload)
        if fields is None:
            return None
        names = _names_of_fields(table, len(fields))
        if names is not None:
            named = _by_name([*given, *zip(names, fields, strict=True)])
            return "key" if self._is_among(table, named) else None
        return "line" if self._is_line(table, _by_name(given), fields) else None

    def _is_among(self, table: LayerTable, values: Values) -> bool:
        return all(
            any(
                part.is_one_of(values.get(name, ()), column)
                for name in {part.name, *((column.name, column.in_source) if column else ())}
            )
            for part, column in self._columns(table)
        )

    def _is_line(self, table: LayerTable, given: Values, fields: Sequence[str]) -> bool:
        own = []
        for part, column in self._columns(table):
            name = column.name if column else part.name
            if name not in given:
                own.append((part, column))
            elif not part.is_one_of(given[name], column):
                return False
        return bool(own) and all(part.is_one_of(fields, column) for part, column in own)

    def _columns(self, table: LayerTable) -> Iterable[tuple[KeyPart, Column | None]]:
        by_source = {column.in_source: column for column in table.columns}
        known = by_source | {column.name: column for column in table.columns}
        return [(part, known.get(part.name)) for part in self.parts]


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _given(table: LayerTable, day: date, position: str) -> list[tuple[str, Any]]:
    """What the platform says of a line of a file beside its text: day, object and number."""
    source, found = table.source, _LINE.search(position)
    if not isinstance(source, Files) or found is None:
        return []
    given = []
    if source.day_column and day != WHOLE:
        given.append((source.day_column, str(day)))
    if source.file_column:
        given.append((source.file_column, json.loads(found["file"])))
    if source.line_column:
        given.append((source.line_column, found["line"]))
    return given


def _by_name(values: Iterable[tuple[str, Any]]) -> Values:
    named: dict[str, list[Any]] = {}
    for name, value in values:
        named.setdefault(name, []).append(value)
    return named


def _fields(table: LayerTable, line: str) -> list[str] | None:
    """The fields of a CSV line, None of what is no such line."""
    form = table.source.format if isinstance(table.source, Files) else None
    if not isinstance(form, Csv):
        return None
    sign = form.delimiter
    read = (
        csv.reader([line], delimiter=sign, quoting=csv.QUOTE_NONE)
        if form.quote is None
        else csv.reader([line], delimiter=sign, quotechar=form.quote)
    )
    try:
        return next(read, None)
    except csv.Error:
        return None


def _names_of_fields(table: LayerTable, number: int) -> list[str] | None:
    """The columns of a file without a header, in their order; None if they cannot be known."""
    source = table.source
    if not isinstance(source, Files) or not isinstance(source.format, Csv) or source.format.header:
        return None
    names = [column.name for column in columns_of_files(table)]
    return names if len(names) == number else None
