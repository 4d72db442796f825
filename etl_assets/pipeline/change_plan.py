"""The parts that changes touch, checked as they will be: what a publication of changes is made of.

The rows of a part that do not change stay in the warehouse, which tells their counts. Which parts
are published, and how, is `change_set.py`.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.drift import once
from etl_assets.core.frames import DAY, PAYLOAD, POSITION, ROWS, RULE
from etl_assets.core.set_aside import counts_as_bad
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.day_check import DayCheck, Kept, Origin
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.match import Match
from etl_assets.sources.found import Rejected
from etl_assets.warehouse.base import Warehouse, counted_nulls

SAME_ROW = ["partition_key", "source_position", "payload"]


@dataclass(frozen=True)
class Plan:
    """What a publication of changes is made of.

    `days` are the touched parts, checked. `old_keys` has the keys of published rows that leave (the
    columns of the table's key), `gone` those rows that have no successor, and `leaving` keys that
    the source does not have any more. The quarantine of the positions in `cleared` leaves;
    `outside` counts rows of no day that the platform has, `marked` rows that are gone from the
    source and stay.
    """

    days: Sequence[LoadedDay]
    old_keys: pl.DataFrame
    gone: pl.DataFrame
    leaving: pl.DataFrame
    cleared: Sequence[str]
    outside: int
    marked: int


@dataclass(frozen=True)
class Planner:
    """Makes plans for a table's changes of one moment; `before` is what is recorded before them."""

    table: LayerTable
    warehouse: Warehouse
    before: Before
    origin: Origin
    folder: Path
    run_id: str

    def plan(self, found: Match, left: Collection[date]) -> Plan:
        """The touched parts, checked; those that are `left` out are not touched at all."""
        folder = self.folder / uuid.uuid4().hex
        checks = {
            day: DayCheck(
                self.table, day, self.origin, folder / day.isoformat(), self.run_id, holds=True
            )
            for day in sorted(found.days())
        }
        good = [found.fresh.clear().drop(DAY)]
        for day, check in checks.items():
            of_day = pl.col(DAY) == day
            check.reject(_rejected(found.unreadable.filter(of_day), self.origin.source))
            check.repeat(found.repeated.filter(of_day).drop(DAY))
            good.append(check.add(found.fresh.filter(of_day).drop(DAY)))
            gone = found.marked.filter(of_day).drop(DAY)
            check.keep_gone(gone)
            good.append(gone)
        cleared, kept_aside = self._cleared(found, checks, left)
        return self._judged(found, pl.concat(good), checks, cleared, kept_aside)

    def _cleared(
        self, found: Match, checks: Mapping[date, DayCheck], left: Collection[date]
    ) -> tuple[list[str], dict[date, int]]:
        """The source positions whose older quarantine leaves, and how many leave of each part.

        What is in quarantine just so already stays, and is not added again: it was read again, not
        changed. What belongs to a part that is left out stays as well.
        """
        positions = found.positions(self.origin.source)
        if not positions or not self.before.quarantine_counts:
            return [], {}
        older = self.warehouse.quarantined(self.table, positions=positions)
        older = older.filter(~pl.col("partition_key").is_in(list(left)))
        if not older.height:
            return [], {}
        newer = [check.set_aside_rows() for check in checks.values()]
        told = pl.concat([f.select(SAME_ROW) for f in newer]) if newer else older.clear()
        same = positions_alike(older.select(SAME_ROW), told.select(SAME_ROW))
        for check in checks.values():
            check.forget_known(same)
        leaving = older.filter(~pl.col("source_position").is_in(same))
        counts = dict(leaving.group_by("partition_key").len().iter_rows())
        return sorted(set(leaving["source_position"])), counts

    def _judged(
        self,
        found: Match,
        good: pl.DataFrame,
        checks: Mapping[date, DayCheck],
        cleared: list[str],
        leaving: Mapping[date, int],
    ) -> Plan:
        key = list(self.table.key)
        touched = sorted(
            {day for day, check in checks.items() if check.has_news}
            | set(found.old[DAY])
            | leaving.keys()
        )
        numbers = {row[DAY]: row for row in self.warehouse.profile(self.table, touched).to_dicts()}
        published = Published({d: s.row_count for d, s in self.before.states.items()})
        days, told = [], set[str]()
        for day in touched:
            check = checks.get(day)
            if check is None:
                place = self.folder / uuid.uuid4().hex / day.isoformat()
                check = DayCheck(self.table, day, self.origin, place, self.run_id)
            old = found.old.filter(pl.col(DAY) == day)
            kept = self._kept(day, old, numbers.get(day, {}), check, leaving)
            kept = replace(kept, tolerated=self._tolerated(found, day, kept))
            check.origin = replace(self.origin, drift=once(self.origin.drift, told))
            days.append(check.finish(published, kept=kept))
        gone = found.old.join(good, on=key, how="anti", nulls_equal=True).drop(DAY)
        return Plan(
            days,
            found.old.select(key),
            gone,
            found.leaving,
            cleared,
            found.outside,
            found.marked.height,
        )

    def _kept(
        self,
        day: date,
        old: pl.DataFrame,
        numbers: Mapping[str, int],
        check: DayCheck,
        leaving: Mapping[date, int],
    ) -> Kept:
        """What stays of the part beside the rows that were put into the check."""
        gone = dict(old.null_count().row(0, named=True)) if old.height else {}
        cursor = self.table.cursor
        if cursor and old.height:
            gone[cursor.null_count] = old.select(cursor.value.is_null().sum()).item()
        counted = counted_nulls(self.table)
        nulls = {name: numbers.get(name, 0) - gone.get(name, 0) for name in counted}
        aside = self.before.quarantine_counts.get(day, 0) - leaving.get(day, 0) - check.known
        state = self.before.states.get(day)
        return Kept(numbers.get(ROWS, 0) - old.height, nulls, aside, state)

    def _tolerated(self, found: Match, day: date, kept: Kept) -> int:
        """How many of the rows that stay in quarantine do not count to the share of bad rows.

        It is asked only where these rows could keep the day back.
        """
        most = self.table.thresholds.max_bad_share * (kept.rows + kept.quarantined)
        if kept.quarantined <= most:
            return 0
        older = self.warehouse.quarantined(self.table, days=[day])
        read = found.positions(self.origin.source)
        staying = older.filter(~pl.col("source_position").is_in(read))
        return sum(not counts_as_bad(rule) for rule in staying["rule"])


def _rejected(unreadable: pl.DataFrame, source: str) -> Rejected:
    """Rows of `Found.unreadable` as the check takes them; their positions begin with `source`."""
    positions = unreadable[POSITION].to_list()
    return Rejected(
        rules=unreadable[RULE].to_list(),
        keys=[position.removeprefix(f"{source} ") for position in positions],
        positions=positions,
        payloads=unreadable[PAYLOAD].to_list(),
    )


def positions_alike(older: pl.DataFrame, newer: pl.DataFrame) -> list[str]:
    """The positions that both have the very same rows of, however often each stands."""
    counted = [f.group_by(SAME_ROW).len() for f in (older, newer)]
    columns = [*SAME_ROW, "len"]
    differing = pl.concat(
        [
            one.join(other, on=columns, how="anti").select("source_position")
            for one, other in (counted, reversed(counted))
        ]
    )
    alike = (
        older.select("source_position").unique().join(differing, on="source_position", how="anti")
    )
    return alike["source_position"].to_list()
