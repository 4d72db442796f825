"""The items of a list as rows by their days: in the contract's dtypes, each once.

Text becomes values as in files (`sources/files/reading`). How items come to the disk is
`landing.py`; what is done with rows and bad items is decided in the pipeline.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.errors import SourceError
from etl_assets.core.frames import DAY
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.sources.files.reading.json_lines import JsonReading
from etl_assets.sources.files.reading.results import LINE, OVERFLOW, BadLine, Block, Limits, Summary
from etl_assets.sources.files.reading.values import check_readable
from etl_assets.sources.files.row_days import dated
from etl_assets.sources.files.row_reads import SortedRows
from etl_assets.sources.http.declared import columns_of_items
from etl_assets.sources.http.landing import Landed, same_items
from etl_assets.sources.http.newest import Resolved, resolve


@dataclass(frozen=True)
class Items:
    """The items of one reading of a list.

    `bad` are by the day on which they are set aside. `extra` are names that the contract does not
    have. `copies` counts items that came twice just so, `elsewhere` those of days that were not
    asked for.
    """

    table: LayerTable
    landed: Landed
    rows: SortedRows
    resolved: Resolved
    bad: Mapping[date, Sequence[BadLine]] = field(default_factory=dict)
    extra: Sequence[str] = ()
    copies: int = 0
    elsewhere: int = 0

    def count(self, day: date) -> int:
        """How many items the day has, each once, good and bad."""
        dropped = self.resolved.dropped_of.get(day, 0)
        return self.rows.rows[day] - dropped + len(self.bad.get(day, ()))

    def frames(self, day: date) -> Iterator[pl.DataFrame]:
        """The day's rows in bounded frames, in the contract's columns."""
        overflow = self.table.overflow_column
        names = [column.name for column in self.table.columns]
        for frame in self.rows.of(day):
            kept = frame.filter(~pl.col(LINE).is_in(self.resolved.dropped.implode()))
            if overflow:
                kept = kept.rename({OVERFLOW: overflow})
            if mark := self.table.kept_column:
                kept = kept.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(mark))
            if kept.height:
                yield kept.select(names)

    @property
    def told(self) -> str:
        """What was found, for the evidence."""
        parts = [
            f"{count_of(len(self.landed.starts), 'page')}, {count_of(self.landed.items, 'item')}"
        ]
        copies = self.copies + self.resolved.copies
        if copies:
            parts.append(f"{copies:,} exact copies left out")
        if self.resolved.older:
            parts.append(f"{self.resolved.older:,} older versions of a key left out")
        if self.elsewhere:
            parts.append(f"{self.elsewhere:,} of other days left out")
        if self.landed.went_on:
            parts.append(
                f"gone on after {count_of(self.landed.went_on, 'page')} of a reading that had "
                "broken off"
            )
        if self.landed.begun_again:
            parts.append("begun again because a cursor had expired")
        return ", ".join(parts)


def read_items(
    table: LayerTable,
    landed: Landed,
    folder: Path,
    limits: Limits,
    newest: str | None,
    day: date | None,
    *,
    only: bool,
) -> Items:
    """The rows of what was landed; `folder` takes them.

    With a `day` the API was asked for that day: all rows are its own, whatever they say, and with
    `only` those of other days are left out. Without one each row is of the day that it says.
    Raises ContractMismatch for a column that no text is read as, SourceError where no item has a
    day, and DiskFull.
    """
    summary, rows, columns = Summary(), SortedRows(folder), columns_of_items(table)
    check_readable(columns)
    overflow = table.overflow_column is not None
    reading = JsonReading(columns, limits, summary, overflow=overflow)
    bad, elsewhere = list(landed.bad), 0
    for block in reading.blocks(landed.content()):
        found = _with_day(block, table, day, limits, only=only)
        bad += found.bad
        frame = found.frame
        if only:
            frame = frame.filter(pl.col(DAY) == day)
            elsewhere += found.frame.height - frame.height
        rows.write(frame)
    rows.close()
    once = list({same_items(one): one for one in reversed(bad)}.values())
    by_day, others = _on_days(table, once, rows.rows, day, limits, only=only)
    return Items(
        table,
        landed,
        rows,
        resolve(table, rows.paths, newest),
        by_day,
        summary.extra,
        len(bad) - len(once),
        elsewhere + others,
    )


def _with_day(
    block: Block, table: LayerTable, day: date | None, limits: Limits, *, only: bool
) -> Block:
    """The block with DAY; rows that have none are bad."""
    if not table.has_days:
        return replace(block, frame=block.frame.with_columns(pl.lit(WHOLE, pl.Date).alias(DAY)))
    found = dated(block, table, limits.raw_characters)
    if day is None or only:
        return found
    return replace(found, frame=found.frame.with_columns(pl.lit(day, pl.Date).alias(DAY)))


def _on_days(
    table: LayerTable,
    bad: Sequence[BadLine],
    rows: Counter[date],
    day: date | None,
    limits: Limits,
    *,
    only: bool,
) -> tuple[dict[date, list[BadLine]], int]:
    """The bad items by the day on which they are set aside, and how many are of days that were not
    asked for.

    It is the day that the item itself says, if that can be read, else the one that most rows of the
    list are of, the earliest of several.
    """
    if not bad:
        return {}, 0
    if not table.has_days:
        return {WHOLE: sorted(bad, key=_line)}, 0
    own: dict[int, date] = {} if day is not None and not only else _days_of(table, bad, limits)
    home = day or min(rows, key=lambda one: (-rows[one], one), default=None)
    by_day: dict[date, list[BadLine]] = {}
    others = 0
    for one in sorted(bad, key=_line):
        part = own.get(one.line, home)
        if part is None:
            raise SourceError(
                f"None of the {count_of(len(bad), 'item')} of {table.path} has a day that can be "
                "read.",
                f"Compare {table.day_column!r} in {table.declared_in} with what the API sends.",
            )
        if only and part != day:
            others += 1
            continue
        by_day.setdefault(part, []).append(one)
    return by_day, others


def _days_of(table: LayerTable, bad: Sequence[BadLine], limits: Limits) -> dict[int, date]:
    """The day of each bad item, by its line, as far as it can be read."""
    only_day = replace(table.column(table.day_column), nullable=False)
    numbered = {place: one.line for place, one in enumerate(bad, 1)}
    lines = "".join(one.raw.translate({10: 32, 13: 32}) + "\n" for one in bad).encode()
    reading = JsonReading([only_day], limits, Summary(), overflow=False, always_strict=True)
    found: dict[int, date] = {}
    for block in reading.blocks([lines]):
        days = dated(block, table, 0).frame
        found |= {numbered[line]: day for line, day in days.select(LINE, DAY).iter_rows()}
    return found


def _line(bad: BadLine) -> int:
    return bad.line
