"""JSON Lines to blocks: each line is an object, whose values are kept as they are written.

A number is never a float on its way (F13): `values.py` reads its text. Text is read as a number, a
boolean or null only in a column whose contract says how (`Texts`). A column with logical="json"
keeps its value's text, whatever it is.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.sources.files.reading.assembly import Rows, assembled, block_of, raw_text, with_bad
from etl_assets.sources.files.reading.csv_framing import Places
from etl_assets.sources.files.reading.encoding import refuse_other_than_utf8
from etl_assets.sources.files.reading.feed import Feed
from etl_assets.sources.files.reading.json_plain import PlainLines, plain_lines
from etl_assets.sources.files.reading.json_values import Gathered, WrongType, as_json, gathered
from etl_assets.sources.files.reading.results import BadLine, Block, Limits, Summary, too_long

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAMES_SHOWN = 1_000
"""So many keys are told of; a file whose keys are data has as many as lines."""

_LINES_A_RUN = 64
"""Where runs of plain lines are shorter, they are read one by one with the others."""

_LF = 10


class JsonReading:
    """The reading of one file; `always_strict` reads every line by itself."""

    def __init__(
        self,
        columns: Sequence[Column],
        limits: Limits,
        summary: Summary,
        *,
        overflow: bool,
        always_strict: bool = False,
    ) -> None:
        self._columns, self._limits, self._summary = columns, limits, summary
        self._overflow, self._always_strict = overflow, always_strict
        self._plain: PlainLines | None = None
        self._declared = {column.name for column in columns}
        self._names: dict[str, None] = {}

    def blocks(self, content: Iterable[bytes]) -> Iterator[Block]:
        """The blocks of a file whose bytes are in UTF-8; raises FileRefused."""
        feed = Feed(content, self._limits)
        while feed.fill():
            size = feed.data.rfind(b"\n") + 1
            if size:
                data, first_line = feed.data[:size], feed.lines + 1
                feed.drop(size)
                for block in self._read(data, first_line):
                    self._sum_up(feed.lines)
                    yield block
                continue
            if len(feed.data) > self._limits.record_bytes:
                raw = raw_text(feed.data, self._limits)
                bad = BadLine(feed.lines + 1, None, too_long(self._limits), raw)
                block = replace(self._block(b"", 1), bad=[bad])
                feed.drop_line()
            else:
                feed.want_more()
                continue
            self._sum_up(feed.lines)
            yield block
        self._sum_up(feed.lines)

    def _sum_up(self, lines: int) -> None:
        summary = self._summary
        summary.lines, summary.names = lines, list(self._names)
        summary.extra = [name for name in self._names if name not in self._declared]
        summary.missing = [c.name for c in self._columns if c.name not in self._names]

    def _read(self, data: bytes, first_line: int) -> Iterator[Block]:
        """The blocks of whole lines: neighbours that are plain are read at once."""
        refuse_other_than_utf8(data, first_line)
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _LF)
        starts = np.append(np.zeros(1, np.int64), ends[:-1] + 1)
        if self._plain is None and not self._always_strict:
            self._plain = self._like(data[: ends[0]])
        plain = self._plain
        if plain is None or int((ends - starts).max()) > self._limits.record_bytes:
            yield self._block(data, first_line)
            return
        fits, values = plain.find(data, starts)
        changes = np.flatnonzero(fits[1:] != fits[:-1]) + 1
        if len(changes) > len(fits) // _LINES_A_RUN:
            self._plain = None  # the next block may have a better example
            yield self._block(data, first_line)
            return
        bounds = [0, *changes.tolist(), len(fits)]
        for begin, end in pairwise(bounds):
            if not fits[begin]:
                yield self._block(data[starts[begin] : ends[end - 1] + 1], first_line + begin)
                continue
            self._note(plain.keys)
            run = {key: texts[begin:end].to_arrow() for key, texts in values.items()}
            rows = _Lines(data, starts[begin:end], ends[begin:end], self._limits)
            yield self._plain_block(run, Rows(np.arange(begin, end) + first_line, rows.raw))

    def _like(self, line: bytes) -> PlainLines | None:
        """What lines look like that are like this one; None if it is no example."""
        try:
            keys = list(self._fields(line))
        except WrongType:
            return None
        if len(keys) > _NAMES_SHOWN:
            return None
        return plain_lines(keys, self._columns, overflow=self._overflow)

    def _plain_block(self, found: Mapping[str, pa.Array], rows: Rows) -> Block:
        chunked = {key: pa.chunked_array([texts]) for key, texts in found.items()}
        columns = [as_json(column) for column in self._columns]
        if not self._overflow:
            return assembled(chunked, columns, rows)
        nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(rows.lines))
        return assembled(chunked, columns, rows, nothing)

    def _block(self, data: bytes, first_line: int) -> Block:
        """The block of whole lines, each read by itself."""
        columns: list[Gathered] = [gathered(column) for column in self._columns]
        lines: list[int] = []
        kept: list[bytes] = []
        overflow: list[str | None] = []
        bad: list[BadLine] = []
        for number, line in enumerate(data.split(b"\n"), first_line):
            if not line.strip(b" \t\r"):
                continue
            column: str | None = None
            try:
                fields = self._fields(line)
                for gathering in columns:
                    column = gathering.column.name
                    gathering.take(fields.pop(column, None))
            except WrongType as wrong:
                for gathering in columns:
                    gathering.keep(len(lines))
                column = column if wrong.is_of_column else None
                bad.append(BadLine(number, column, str(wrong), raw_text(line, self._limits)))
                continue
            lines.append(number)
            kept.append(line)
            overflow.append(_object(fields) if self._overflow and fields else None)

        def raw(place: int) -> tuple[str, int]:
            return raw_text(kept[place], self._limits), 1

        block = block_of(
            {gathering.column.name: gathering.values() for gathering in columns},
            Rows(np.array(lines, np.int64), raw),
            pl.Series(overflow, dtype=pl.String) if self._overflow else None,
        )
        return with_bad(block, bad)

    def _fields(self, line: bytes) -> dict[str, bytes]:
        """The object's values by key; raises WrongType for a line that is not one object."""
        if len(line) > self._limits.record_bytes:
            raise WrongType(too_long(self._limits), is_of_column=False)
        try:
            raws = _OBJECT.decode(line)
            fields = dict(zip(raws, map(bytes, raws.values()), strict=True))
            if _may_repeat_a_key(line, fields) and _keys_in(line) > len(fields):
                raise WrongType("has a key twice", is_of_column=False)
        except (msgspec.DecodeError, ValueError) as error:
            raise WrongType(f"is no JSON object ({error})", is_of_column=False) from None
        except RecursionError:
            raise WrongType("is nested too deeply", is_of_column=False) from None
        self._note(fields)
        return fields

    def _note(self, keys: Iterable[str]) -> None:
        """Remember the keys for the summary."""
        has_room = len(self._names) < _NAMES_SHOWN
        self._names.update(dict.fromkeys(key for key in keys if has_room or key in self._declared))


@dataclass(frozen=True)
class _Lines:
    """The lines of a run, from `starts` to `ends` in `data`."""

    data: bytes
    starts: Places
    ends: Places
    limits: Limits

    def raw(self, place: int) -> tuple[str, int]:
        """See `Rows`."""
        return raw_text(self.data[self.starts[place] : self.ends[place]], self.limits), 1


def _may_repeat_a_key(line: bytes, fields: dict[str, bytes]) -> bool:
    """False if the line is exactly as long as its distinct keys and values need (no blanks)."""
    signs = 1 + max(len(fields), 1) + 3 * len(fields)  # braces, commas, quotes and colons
    return len(line) != signs + sum(map(len, fields)) + sum(map(len, fields.values()))


def _keys_in(line: bytes) -> int:
    """How many keys the object has, each as often as it is written."""

    def count(pairs: list[tuple[str, Any]]) -> int:
        return len(pairs)

    keys: int = json.loads(line, object_pairs_hook=count, parse_int=len, parse_float=len)
    return keys


def _object(fields: dict[str, bytes]) -> str:
    pairs = (msgspec.json.encode(key) + b":" + value for key, value in fields.items())
    return (b"{" + b",".join(pairs) + b"}").decode()
