"""The columns of a CSV file held against the contract's, by name and in any order.

How the header is found in the file does not belong here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.sources.files.reading.assembly import Rows, assembled
from etl_assets.sources.files.reading.results import Block, FileRefused, Summary


@dataclass(frozen=True)
class Header:
    """The columns of a file: `names` in its order, `line` the header as it is written, if any."""

    names: Sequence[str]
    columns: Sequence[Column]
    overflow: bool
    line: str | None = None

    @property
    def places(self) -> list[str]:
        """A name for each field of a record that no other has: its place."""
        return [str(place) for place in range(len(self.names))]

    @property
    def wanted(self) -> list[str]:
        """The places whose values are read."""
        declared = {column.name for column in self.columns}
        pairs = zip(self.places, self.names, strict=True)
        return [place for place, name in pairs if self.overflow or name in declared]

    def repeated_at(self, data: bytes) -> int:
        """Where the first line of `data` begins that may be the header's; its length if none is."""
        if self.line is None:
            return len(data)
        line = self.line.encode()
        if b"\n" + line not in data and not data.startswith(line):
            return len(data)
        for end in (line + b"\n", line + b"\r\n"):
            if data.startswith(end):
                return 0
        places = [data.find(b"\n" + line + end) for end in (b"\n", b"\r\n")]
        return min([place + 1 for place in places if place >= 0], default=len(data))

    def block(self, found: Mapping[str, pa.ChunkedArray], rows: Rows) -> Block:
        """The block of the text in `found`, by place."""
        declared = {column.name for column in self.columns}
        named = {self.names[int(place)]: texts for place, texts in found.items()}
        known = {name: texts for name, texts in named.items() if name in declared}
        if not self.overflow:
            return assembled(known, self.columns, rows)
        extra = [pl.Series(name, texts) for name, texts in named.items() if name not in declared]
        return assembled(known, self.columns, rows, as_json(extra, len(rows.lines)))


def header_of(
    names: Sequence[str],
    columns: Sequence[Column],
    summary: Summary,
    *,
    overflow: bool,
    missing_as_null: bool,
    line: str | None = None,
) -> Header:
    """The header, which is put into the summary, too.

    Raises FileRefused for one that has a name twice, or lacks a column of the contract's that is
    not nullable or, unless `missing_as_null`, any.
    """
    hold_against(names, columns, summary, missing_as_null=missing_as_null)
    return Header(names, columns, overflow, line)


def hold_against(
    names: Sequence[str], columns: Sequence[Column], summary: Summary, *, missing_as_null: bool
) -> None:
    """Put a file's columns into the summary; raises FileRefused as `header_of` does."""
    first: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name in first:
            raise FileRefused(f"columns {first[name]} and {place} are both named {name!r}")
        first[name] = place
    declared = {column.name for column in columns}
    summary.names = list(names)
    summary.extra = [name for name in names if name not in declared]
    missing = [column for column in columns if column.name not in first]
    summary.missing = [column.name for column in missing]
    lacking = [column.name for column in missing if not (missing_as_null and column.nullable)]
    if lacking:
        shown = ", ".join(repr(name) for name in lacking)
        raise FileRefused(f"it lacks columns that the contract needs: {shown}")


def as_json(columns: Sequence[pl.Series], rows: int) -> pl.Series:
    """Each row as a JSON object of its values by name; all null if there are no columns."""
    if not columns:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows)
    return pl.DataFrame({s.name: s for s in columns}).to_struct().struct.json_encode()
