"""Judges the days that changes touch: the changed rows in full, the rest of the day by numbers.

The checks are those of a full load (`core/audit.py`); what stays of a day was checked when it was
published, and its counts come from the warehouse. Nothing is published here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from etl_assets.core.audit import SAMPLES, Bad, DayAudit, Expectation
from etl_assets.core.drift import DriftReport
from etl_assets.core.frames import DAY
from etl_assets.core.rows import keys_of, payloads_of, quarantine_rows
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.load import PREVIEW_ROWS, Watermark
from etl_assets.pipeline.match import Match
from etl_assets.sources.found import unreadable_schema
from etl_assets.spool import SpoolFiles


@dataclass(frozen=True)
class Moment:
    """Where and when the changes were read: `as_of` on the source's clock."""

    source: str
    as_of: datetime
    query: str = ""
    drift: DriftReport | None = None


@dataclass(frozen=True)
class Sifted:
    """The rows of one day, before the day is judged.

    `aside` are rows for its quarantine, `known` those that are in it already (QUARANTINE_SCHEMA).
    """

    audit: DayAudit
    good: pl.DataFrame
    aside: pl.DataFrame
    known: pl.DataFrame


@dataclass(frozen=True)
class Judge:
    """Judges days of one table with what is known of them: their states and their quarantine."""

    table: LayerTable
    moment: Moment
    states: Mapping[date, PartitionState]
    quarantine: pl.DataFrame
    folder: Path
    run_id: str

    def sift(self, match: Match) -> dict[date, Sifted]:
        """Good rows and bad ones by day, for every day that rows are to be put on."""
        clean = match.fresh.drop(DAY)
        days = sorted({*match.fresh[DAY].unique(), *match.unreadable[DAY].unique()})
        return {
            day: self._sift(
                day,
                clean.filter(match.fresh[DAY] == day),
                match.unreadable.filter(pl.col(DAY) == day),
            )
            for day in days
        }

    def judge(
        self,
        days: Sequence[date],
        sifted: Mapping[date, Sifted],
        old: pl.DataFrame,
        profile: pl.DataFrame,
        cleared: set[str],
    ) -> list[LoadedDay]:
        """A verdict for each of the days.

        `old` are the published rows that leave these days, `profile` is what is published on them
        (`Warehouse.profile`), `cleared` the source positions whose old quarantine goes.
        """
        numbers = {row["_day"]: row for row in profile.to_dicts()}
        return [
            self._judge(
                day, sifted.get(day), old.filter(pl.col(DAY) == day), numbers.get(day, {}), cleared
            )
            for day in days
        ]

    def _sift(self, day: date, rows: pl.DataFrame, unreadable: pl.DataFrame) -> Sifted:
        audit = DayAudit(self.table, day, self.moment.as_of)
        good, bad = audit.split(rows)
        for column, part in unreadable.group_by("column", maintain_order=True):
            audit.reject(str(column[0]), self._shown(part))
        bad = bad or Bad(rows.clear(), [])
        positions = [f"{self.moment.source} {key}" for key in self._shown(bad.rows)]
        aside = quarantine_rows(
            table=self.table.path,
            day=day,
            rules=[*bad.rules, *(f"{c}: representable" for c in unreadable["column"])],
            positions=[*positions, *unreadable["position"]],
            payloads=[*payloads_of(bad.rows), *unreadable["payload"]],
            run_id=self.run_id,
            at=datetime.now(UTC),
        )
        return Sifted(audit, good, aside, aside.clear())

    def _judge(
        self,
        day: date,
        sifted: Sifted | None,
        old: pl.DataFrame,
        numbers: Mapping[str, int],
        cleared: set[str],
    ) -> LoadedDay:
        nobody = pl.DataFrame(schema=unreadable_schema(self.table))
        sifted = sifted or self._sift(day, old.drop(DAY).clear(), nobody)
        audit, state = sifted.audit, self.states.get(day)
        leaving = old.null_count().row(0, named=True) if old.height else {}
        nulls = {
            c.name: numbers.get(c.name, 0) - leaving.get(c.name, 0)
            for c in self.table.columns
            if c.nullable
        }
        kept = numbers.get("_rows", 0) - old.height
        aside_before = self.quarantine.filter(pl.col("partition_key") == day)["source_position"]
        # What is known was counted when it was sifted.
        aside = sum(position not in cleared for position in aside_before) - sifted.known.height
        audit.keep(kept, nulls, aside)
        history = Published({d: s.row_count for d, s in self.states.items()})
        doubled = sifted.good.group_by(self.table.key).len().filter(pl.col("len") > 1)
        results = audit.verdict(
            Expectation(
                source_count=None,
                earlier_counts=history.earlier(day, self.table.thresholds.history_days),
                duplicate_keys=doubled.height,
                duplicates=self._shown(doubled.head(SAMPLES)),
                drift=self.moment.drift,
            )
        )
        good, quarantine = self._spool(day, "rows"), self._spool(day, "quarantine")
        for files, frame in ((good, sifted.good), (quarantine, sifted.aside)):
            files.write(frame)
            files.close()
        mark = Watermark(self.table)
        mark.see(sifted.good)
        ahead = state is not None and _later(state.high_watermark, mark.moment)
        return LoadedDay(
            table=self.table,
            day=day,
            source=self.moment.source,
            as_of=self.moment.as_of,
            query=self.moment.query,
            source_count=None,
            quarantined=audit.bad_rows,
            files=good,
            quarantine=quarantine,
            results=results,
            null_ratios=audit.null_ratios(),
            high_watermark=state.high_watermark if state and ahead else mark.moment,
            watermark_key=state.watermark_key if state and ahead else mark.key,
            preview=sifted.good.head(PREVIEW_ROWS),
            seconds={},
            kept=kept,
        )

    def _spool(self, day: date, what: str) -> SpoolFiles:
        return SpoolFiles(self.folder / day.isoformat() / what)

    def _shown(self, rows: pl.DataFrame) -> list[str]:
        return keys_of(rows, [self.table.column(name) for name in self.table.key])


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)
