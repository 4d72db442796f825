"""One part of a table on its way from a reading to a verdict: rows go in, are checked, and go to
the spool or are set aside.

A load puts in all rows of a day (`load.py`), a sync or a repair only the changed ones
(`change_set.py`); the checks and the verdict are the same. Nothing is published here.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import polars as pl

from etl_assets.core.audit import SAMPLES, Bad, DayAudit
from etl_assets.core.checks import UNIQUE_KEY
from etl_assets.core.drift import DriftReport
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.meter import METER
from etl_assets.core.rows import QUARANTINE_SCHEMA, keys_of, payloads_of, quarantine_rows
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.core.verdict import Expectation, Verdict
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.sources.found import Rejected, RejectedLines
from etl_assets.spool import SpoolFiles, SpoolMark, duplicates
from etl_assets.warehouse.publication import Gone

PREVIEW_ROWS = 5
_IS_NEWEST = "_is_newest"


@dataclass(frozen=True)
class Origin:
    """Where and when rows were read: `as_of` on the source's clock (UTC), `query` without secrets.

    `source` is what `_source` says of the rows; `drift` is how the source's columns differ from the
    contract's, `made_of` the digest of the upstream loads of derived rows, `limits` what cannot be
    guaranteed for the kind of table that was read.
    """

    source: str
    as_of: datetime
    query: str = ""
    drift: DriftReport | None = None
    made_of: str | None = None
    limits: Sequence[str] = ()


@dataclass(frozen=True)
class Kept:
    """What stays published of a part whose rows are changed and not replaced.

    `rows` and `nulls` (by column) are published rows that stay, `quarantined` the rows that stay in
    quarantine, of which `tolerated` do not count as bad; `state` is the part's state until now.
    `published` is how many rows the part had, to be compared with how many it will have; None
    where that is looked after elsewhere.
    """

    rows: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    quarantined: int = 0
    state: PartitionState | None = None
    published: int | None = None
    tolerated: int = 0


@dataclass(frozen=True)
class CheckMark:
    """Where a check stood: its spools, its counts, and what it has seen of rows."""

    files: SpoolMark
    quarantine: SpoolMark
    audit: DayAudit
    watermark: tuple[datetime | None, str | None]
    preview: pl.DataFrame


class DayCheck:
    """Checks the rows of one part and spools them into `folder`; `finish` gives the verdict.

    One that `holds` keeps what is set aside in memory until `finish`, so that the caller can leave
    out what is in quarantine already.
    """

    def __init__(
        self,
        table: LayerTable,
        day: date,
        origin: Origin,
        folder: Path,
        run_id: str,
        *,
        holds: bool = False,
    ) -> None:
        self._holds = holds
        self.table, self.day, self.origin = table, day, origin
        self.files, self.quarantine = SpoolFiles(folder / "rows"), SpoolFiles(folder / "quarantine")
        self.clock = Clock()
        self.run_id, self._started = run_id, datetime.now(UTC)
        self._audit = DayAudit(table, day, origin.as_of if table.syncs else None)
        self._watermark = Watermark(table)
        self._preview = pl.DataFrame()
        self._key = [table.column(name) for name in table.key]
        self._set_aside_rows: list[pl.DataFrame] = []
        self._gone: Gone | None = None
        self.known = 0
        """How many of the rows that were set aside are in quarantine just so already."""

    def reject(self, rejected: Rejected) -> None:
        """Set aside rows that the source cannot hand over."""
        for rule in dict.fromkeys(rejected.rules):
            pairs = zip(rejected.keys, rejected.rules, strict=True)
            self._audit.set_aside(rule, [key for key, broken in pairs if broken == rule])
        self._set_aside(rejected.rules, rejected.positions, rejected.payloads)

    def reject_lines(self, rejected: RejectedLines) -> None:
        """Set aside lines of a file that are no rows."""
        pairs = list(zip(rejected.rules, rejected.positions, strict=True))
        for rule in dict.fromkeys(rejected.rules):
            self._audit.set_aside(rule, [at for name, at in pairs if name == rule])
        self._set_aside(rejected.rules, rejected.positions, rejected.payloads)

    @property
    def good_rows(self) -> int:
        """How many rows are to be published so far."""
        return self._audit.good_rows

    def mark(self) -> CheckMark:
        """Where it stands, for `back_to`."""
        return CheckMark(
            self.files.mark(),
            self.quarantine.mark(),
            self._audit.copy(),
            (self._watermark.moment, self._watermark.key),
            self._preview,
        )

    def back_to(self, mark: CheckMark) -> None:
        """Forget all that came after the mark, as if it had never been read."""
        self.files.back_to(mark.files)
        self.quarantine.back_to(mark.quarantine)
        self._audit = mark.audit.copy()
        self._watermark.moment, self._watermark.key = mark.watermark
        self._preview = mark.preview

    def repeat(self, rows: pl.DataFrame) -> None:
        """Set aside rows whose key stands more than once in the source."""
        if rows.height:
            self._audit.set_aside(UNIQUE_KEY.name, self._shown(rows))
            self._set_bad_aside(Bad(rows, [UNIQUE_KEY.name] * rows.height))

    def add(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Check rows of the contract's columns; the good ones, which are spooled."""
        METER.count(batch.height, int(batch.estimated_size()))
        with self.clock.step("audit"):
            rows, bad = self._audit.split(batch)
            self._watermark.see(rows)
        if not self._preview.width:
            self._preview = rows.head(PREVIEW_ROWS)
        with self.clock.step("spool"):
            self.files.write(rows)
            if bad is not None:
                self._set_bad_aside(bad)
        return rows

    def keep_gone(self, rows: pl.DataFrame, keys: SpoolFiles | None = None) -> None:
        """Let published rows stay that the source no longer has; `keys` takes theirs."""
        self._audit.keep_gone(rows)
        self._watermark.see(rows)
        self.files.write(rows)
        if keys is not None:
            keys.write(rows.select(self.table.key))

    def kept_gone(self, gone: Gone) -> None:
        """Which rows these were in the end, of a part that is loaded whole."""
        self._gone = gone

    @property
    def has_news(self) -> bool:
        """Whether a row is to be published, or to be put into quarantine."""
        return self.files.has_rows or any(frame.height for frame in self._set_aside_rows)

    def set_aside_rows(self) -> pl.DataFrame:
        """The rows that were set aside so far, of a check that holds them, in QUARANTINE_SCHEMA."""
        return pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *self._set_aside_rows])

    def forget_known(self, positions: Collection[str]) -> None:
        """Leave out what was set aside at these source positions: it is in quarantine already."""
        rows = self.set_aside_rows()
        is_known = pl.col("source_position").is_in(list(positions))
        self.known += rows.filter(is_known).height
        self._set_aside_rows = [rows.filter(~is_known)]

    def finish(
        self,
        published: Published,
        *,
        source_count: int | None = None,
        kept: Kept | None = None,
        ledger: Sequence[LedgerEntry] | None = None,
        look_ups: Mapping[str, Sequence[int]] | None = None,
    ) -> LoadedDay:
        """The verdict on all that was put in, and on what is `kept` beside it.

        `ledger` are the objects of a day of files, `look_ups` as in `Expectation`.
        Without `kept` the part is loaded whole: its row count is compared with what is published
        of it, and its keys are counted in the spool.
        """
        with self.clock.step("spool"):
            for rows in self._set_aside_rows:
                self.quarantine.write(rows)
            self.files.close()
            self.quarantine.close()
        with self.clock.step("audit"):
            repeated, sample = duplicates(self.files, self.table.key, SAMPLES)
        state = kept.state if kept else None
        if kept:
            self._audit.keep(kept.rows, kept.nulls, kept.quarantined, kept.tolerated)
        days = self.table.thresholds.history_days
        expected = Expectation(
            source_count=source_count,
            published_count=kept.published if kept else published.rows.get(self.day),
            earlier_counts=published.earlier(self.day, days) if self.table.has_days else (),
            duplicate_keys=repeated,
            duplicates=self._shown(sample) if repeated else (),
            drift=self.origin.drift,
            objects=len(ledger or ()),
            look_ups=look_ups,
            refused={one.object_key: one.error for one in ledger or () if one.error},
        )
        mark = self._watermark
        ahead = state is not None and _later(state.high_watermark, mark.moment)
        return LoadedDay(
            table=self.table,
            day=self.day,
            source=self.origin.source,
            as_of=self.origin.as_of,
            query=self.origin.query,
            limits=self.origin.limits,
            source_count=source_count,
            quarantined=self._audit.bad_rows,
            files=self.files,
            quarantine=self.quarantine,
            results=Verdict(self._audit, expected).results(),
            null_ratios=self._audit.null_ratios(),
            high_watermark=state.high_watermark if state and ahead else mark.moment,
            watermark_key=state.watermark_key if state and ahead else mark.key,
            preview=self._preview,
            seconds={} if kept else self.clock.seconds,
            kept=kept.rows if kept else 0,
            made_of=self.origin.made_of,
            ledger=ledger,
            gone=self._gone,
        )

    def _set_bad_aside(self, bad: Bad) -> None:
        positions = [f"{self.origin.source} {key}" for key in self._shown(bad.rows)]
        self._set_aside(bad.rules, positions, payloads_of(bad.rows))

    def _set_aside(
        self, rules: Sequence[str], positions: Collection[str], payloads: Sequence[str]
    ) -> None:
        rows = quarantine_rows(
            table=self.table.path,
            day=self.day,
            rules=rules,
            positions=list(positions),
            payloads=payloads,
            run_id=self.run_id,
            at=self._started,
        )
        if self._holds:
            self._set_aside_rows.append(rows)
        else:
            self.quarantine.write(rows)

    def _shown(self, rows: pl.DataFrame) -> list[str]:
        return keys_of(rows, self._key)


class Watermark:
    """The greatest (cursor, key) among the rows it saw; rows without a cursor do not count.

    A version is no moment: of such a table nothing is kept.
    """

    def __init__(self, table: LayerTable) -> None:
        self.moment: datetime | None = None
        self.key: str | None = None
        self._cursor = table.cursor
        self._key = [table.column(name) for name in table.key]

    def see(self, rows: pl.DataFrame) -> None:
        """Take rows of the contract's columns into account."""
        if self._cursor is None or not self._cursor.has_moments or not rows.height:
            return
        place = self._cursor.place
        newest = cast("datetime | None", rows.select(place.max()).item())
        if newest is None or (self.moment is not None and newest < self.moment):
            return
        names = [part.name for part in self._key]
        # The keys alone are filtered: a filter copies what it takes, and a row may be very large.
        keys = rows.select(*names, (place == newest).alias(_IS_NEWEST))
        last = keys.filter(_IS_NEWEST).select(names).sort(names).tail(1)
        self.moment, self.key = newest, keys_of(last, self._key)[0]


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of the block to this step."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)
