"""From a day that can be read to a day that can be published: read, audit, spool, judge.

The same road for every layer: a raw day comes from a source, a staged or enriched day from its
transform. Publication is the warehouse's, and so is what was published before.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import polars as pl
import tenacity

from etl_assets.core.audit import SAMPLES, Bad, DayAudit, Expectation
from etl_assets.core.errors import ContractMismatch, UpstreamMissing, may_pass
from etl_assets.core.rows import keys_of, payloads_of, quarantine_rows
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import FailedDay, LoadedDay, Published
from etl_assets.sources.base import DayRead, DaySource
from etl_assets.spool import SpoolFiles

PREVIEW_ROWS = 5


def load_days(
    table: LayerTable,
    source: DaySource,
    days: Iterable[date],
    published: Published,
    folder: Path,
    run_id: str,
) -> Iterator[LoadedDay | FailedDay]:
    """Each day in order, as soon as it is loaded.

    A source that breaks off is opened again, and the day that it broke is read from its start, four
    attempts in all; a day with a permanent error of its own fails alone. Raises what keeps
    every day from being read (no such table, no access, no room).
    """
    remaining, so_far = list(days), dict(published.rows)
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(4),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=15),
        reraise=True,
    )
    while remaining:
        for attempt in attempts:
            with attempt, source.open() as snapshot:
                while remaining:
                    day = remaining[0]
                    shutil.rmtree(folder / day.isoformat(), ignore_errors=True)
                    try:
                        loaded = load_day(
                            table, snapshot.day(day), published.with_days(so_far), folder, run_id
                        )
                    except (ContractMismatch, UpstreamMissing) as error:
                        remaining.pop(0)
                        yield FailedDay(day, error)
                        break  # the source's transaction is spoiled: go on in a new one
                    remaining.pop(0)
                    if loaded.is_good:
                        so_far[day] = loaded.files.rows
                    yield loaded


def load_day(
    table: LayerTable, read: DayRead, published: Published, folder: Path, run_id: str
) -> LoadedDay:
    """Read and audit one day into `folder`; raises the source's errors, ContractMismatch, DiskFull.

    Nothing is published: a day that a blocking check refuses comes back like any other, with
    `is_good` false.
    """
    clock = _Clock()
    day_folder = folder / read.day.isoformat()
    good, aside = SpoolFiles(day_folder / "rows"), SpoolFiles(day_folder / "quarantine")
    watermark = Watermark(table)
    preview = pl.DataFrame()
    started = datetime.now(UTC)

    with clock.step("read"):
        evidence = read.evidence()
    audit = DayAudit(table, read.day, evidence.as_of if table.syncs else None)
    rejected = evidence.rejected
    for column in dict.fromkeys(rejected.columns):
        keys = [k for k, c in zip(rejected.keys, rejected.columns, strict=True) if c == column]
        audit.reject(column, keys)
    quarantine = _Quarantine(aside, table, read, run_id, started)
    quarantine.add(
        [f"{column}: representable" for column in rejected.columns],
        rejected.positions,
        rejected.payloads,
    )
    with closing(read.batches()) as batches:
        while True:
            with clock.step("read"):
                batch = next(batches, None)
            if batch is None:
                break
            with clock.step("audit"):
                rows, bad = audit.split(batch)
                watermark.see(rows)
            if not preview.width:
                preview = rows.head(PREVIEW_ROWS)
            with clock.step("spool"):
                good.write(rows)
                if bad is not None:
                    quarantine.add_bad(bad)
    with clock.step("spool"):
        good.close()
        aside.close()
    with clock.step("audit"):
        duplicates, sample = good.duplicates(table.key, SAMPLES)
    key = [table.column(name) for name in table.key]
    expected = Expectation(
        source_count=evidence.row_count,
        published_count=published.rows.get(read.day),
        earlier_counts=published.earlier(read.day, table.thresholds.history_days),
        duplicate_keys=duplicates,
        duplicates=keys_of(sample, key) if duplicates else (),
        drift=evidence.drift,
    )
    return LoadedDay(
        table=table,
        day=read.day,
        source=read.source,
        as_of=evidence.as_of,
        query=evidence.query,
        source_count=evidence.row_count,
        quarantined=audit.bad_rows,
        files=good,
        quarantine=aside,
        results=audit.verdict(expected),
        null_ratios=audit.null_ratios(),
        high_watermark=watermark.moment,
        watermark_key=watermark.key,
        preview=preview,
        seconds=clock.seconds,
        made_of=evidence.made_of,
    )


class Watermark:
    """The greatest (cursor, key) among the rows it saw; rows without a cursor do not count."""

    def __init__(self, table: LayerTable) -> None:
        self.moment: datetime | None = None
        self.key: str | None = None
        self._cursor = table.cursor_column
        self._key = [table.column(name) for name in table.key]

    def see(self, rows: pl.DataFrame) -> None:
        """Take rows of the contract's columns into account."""
        if self._cursor is None or not rows.height:
            return
        newest = cast("datetime | None", rows[self._cursor].max())
        if newest is None or (self.moment is not None and newest < self.moment):
            return
        names = [part.name for part in self._key]
        last = rows.filter(pl.col(self._cursor) == newest).select(names).sort(names).tail(1)
        self.moment, self.key = newest, keys_of(last, self._key)[0]


class _Quarantine:
    """Writes rejected rows to their own files of the spool."""

    def __init__(
        self, files: SpoolFiles, table: LayerTable, read: DayRead, run_id: str, at: datetime
    ) -> None:
        self._files, self._table, self._read, self._run_id, self._at = (
            files,
            table,
            read,
            run_id,
            at,
        )
        self._key = [table.column(name) for name in table.key]

    def add_bad(self, bad: Bad) -> None:
        positions = [f"{self._read.source} {key}" for key in keys_of(bad.rows, self._key)]
        self.add(bad.rules, positions, payloads_of(bad.rows))

    def add(self, rules: Sequence[str], positions: Sequence[str], payloads: Sequence[str]) -> None:
        rows = quarantine_rows(
            table=self._table.path,
            day=self._read.day,
            rules=rules,
            positions=positions,
            payloads=payloads,
            run_id=self._run_id,
            at=self._at,
        )
        self._files.write(rows)


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
