"""The days of a table on their road: loaded, failed, or published before."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.checks import CheckResult
from etl_assets.core.errors import EtlError
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.publication import Gone

if TYPE_CHECKING:
    from etl_assets.pipeline.kept_rows import KeptRows


@dataclass(frozen=True)
class LoadedDay:
    """A day that was read, audited and spooled: all that publication and its report need.

    `files` and `quarantine` are the spool; `high_watermark` and `watermark_key` the greatest
    cursor among the good rows and the key of its row; `null_ratios` 0 to 1 by column; `seconds` by
    step; `preview` the first rows as read. `kept` are the published rows of the day that stay
    beside those of `files`: none but in a day that is changed, not replaced. `gone` says which rows
    of `files` the source no longer has, of a table that keeps such rows. `made_of` is as in
    `PartitionState`; `ledger` are the objects of a day of files, None for any other. `limits` are
    what cannot be guaranteed for the kind of table that it was read from, a sentence each.
    """

    table: LayerTable
    day: date
    source: str
    as_of: datetime
    query: str
    source_count: int | None
    quarantined: int
    files: SpoolFiles
    quarantine: SpoolFiles
    results: Sequence[CheckResult]
    null_ratios: Mapping[str, float]
    high_watermark: datetime | None
    watermark_key: str | None
    preview: pl.DataFrame
    seconds: Mapping[str, float]
    kept: int = 0
    made_of: str | None = None
    ledger: Sequence[LedgerEntry] | None = None
    limits: Sequence[str] = ()
    gone: Gone | None = None

    @property
    def rows(self) -> int:
        """How many rows the day will have."""
        return self.files.rows + self.kept

    @property
    def is_good(self) -> bool:
        """Whether no blocking check failed, so that the day may be published."""
        return not any(result.blocks for result in self.results)

    @property
    def blocking(self) -> Sequence[str]:
        """The names of the checks that keep it from being published."""
        return [result.check.name for result in self.results if result.blocks]


@dataclass(frozen=True)
class Published:
    """What the warehouse holds before a load, for the comparisons by row count.

    `history`, if given, is what counts as earlier days instead: days of this load are among them.
    `first_seen` is when the platform met an object of a table of files first, by its key (UTC);
    `objects` how many rows of each part are of each object, by its key. `keeps` finds the published
    rows that stay although the source no longer has them; None where none of them does.
    """

    rows: Mapping[date, int] = field(default_factory=dict)
    history: Mapping[date, int] = field(default_factory=dict)
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    objects: Mapping[date, Mapping[str, int]] = field(default_factory=dict)
    keeps: "KeptRows | None" = None

    def with_days(self, loaded: Mapping[date, int]) -> "Published":
        """The same, with days that this load is about to publish as earlier days."""
        return replace(self, history={**self.rows, **loaded})

    def without(self, day: date, moved: Container[str]) -> "Published":
        """The same, as if the objects of the day that are of another day now had never been on it:
        that their rows leave is no loss."""
        leaving = sum(n for key, n in self.objects.get(day, {}).items() if key in moved)
        rows = {**self.rows, day: self.rows[day] - leaving} if leaving else self.rows
        return replace(self, rows=rows)

    def earlier(self, day: date, days: int) -> list[int]:
        """Row counts of the last `days` published days before `day`; empty days say nothing."""
        history = self.history or self.rows
        before = sorted((d for d in history if d < day and history[d]), reverse=True)
        return [history[d] for d in before[:days]]


@dataclass(frozen=True)
class FailedDay:
    """A day that could not be read to its end, and why; other days are not touched by it."""

    day: date
    error: EtlError
