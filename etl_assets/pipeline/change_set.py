"""From changed rows to changed parts: matched with what is published, checked, published at once.

A sync finds changed rows by their cursor, a reconciliation by comparing; how they are published is
the same and stands here. Only the changed rows travel: of the rest of a part the warehouse tells
the counts. How changes are found is `sync.py` and `reconcile.py`.
"""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from etl_assets.core.errors import EtlError
from etl_assets.core.frames import DAY
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes
from etl_assets.core.rows import TOMBSTONE_SCHEMA, keys_of, payloads_of
from etl_assets.core.scope import Scope
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.day_check import DayCheck, Kept, Origin
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.match import Match, match
from etl_assets.pipeline.publish import Committed, spooled, state_of
from etl_assets.pipeline.sync_log import Remembered, blank, with_token
from etl_assets.sources.found import Found, Rejected
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import changes
from etl_assets.warehouse.publication import Facts, StagedDay

_SAME_ROW = ["partition_key", "source_position", "payload"]


@dataclass(frozen=True)
class Outcome:
    """What came of changes: the parts that were touched, published or refused by a check.

    No row that has to do with a `refused` part is published; `reload` are all parts that must be
    loaded whole for it, with the reason of each. `outside` counts rows of no day that the platform
    has, `changed` rows that were put in, `removed` rows that left the table without a successor.
    `committed` is what the publication left behind, None where nothing was published.
    """

    days: Sequence[LoadedDay] = ()
    refused: Sequence[LoadedDay] = ()
    reload: Mapping[date, str] = field(default_factory=dict)
    outside: int = 0
    changed: int = 0
    removed: int = 0
    committed: Committed | None = None


@dataclass(frozen=True)
class ChangeSet:
    """Changes of a table that were found at one moment, and what is recorded before them.

    `is_unique` says whether the source makes sure that no key stands twice; where it does not,
    `found` has all rows of each key that it has.
    """

    table: LayerTable
    warehouse: Warehouse
    before: Before
    found: Found
    origin: Origin
    scope: Scope
    folder: Path
    run_id: str
    is_unique: bool = True

    def is_empty(self) -> bool:
        """Whether all is published as the source has it."""
        return self.matched.is_empty()

    def publish(self, remembered: Remembered) -> Outcome:
        """Publish what the checks let pass, with what is to be remembered, at once.

        Changes of a day that must be loaded whole wait for that. Where nothing is to do and nothing
        new is to be remembered, nothing is published. Raises LostTurn where another run published
        to the table since `before`, and whatever else the warehouse raises; then nothing has
        changed.
        """
        plan, refused, reload = self._passing(self.matched)
        outcome = Outcome(
            days=plan.days,
            refused=refused,
            reload=reload,
            outside=plan.outside,
            changed=sum(day.files.rows for day in plan.days),
            removed=plan.gone.height,
        )
        known = self.before.table_state
        base = known or blank(self.table, self.run_id, self.origin.as_of)
        after = remembered.state(base, reload)
        if after == base and not plan.days:
            return outcome
        after = with_token(after, self.run_id, self.origin.as_of)
        entries = remembered.entries(self.table, known, after, self.run_id)
        if not plan.days:
            self.warehouse.move(after, known.load_id if known else None, entries)
            return outcome
        return replace(outcome, committed=self._commit(plan, after, entries))

    def _passing(self, found: Match) -> tuple["_Plan", list[LoadedDay], dict[date, str]]:
        """What can be published; the parts that a check refuses; and those that must be loaded."""
        waiting = dict(self.before.table_state.reload_reasons) if self.before.table_state else {}
        left = set(waiting)
        reload: dict[date, str] = {}
        if left:
            found, concerned = found.without(left)
            _note(reload, concerned - left, "a row moved between it and a day that waits")
            left |= concerned
        refused: list[LoadedDay] = []
        while True:
            plan = self._plan(found, left)
            bad = [day for day in plan.days if not day.is_good]
            if not bad:
                return plan, refused, reload
            if left.issuperset(day.day for day in bad):
                raise EtlError(
                    f"Changes of {self.table.path} {bad[0].day} are refused although that day was "
                    "left out; nothing was published.",
                    "This is a fault of etl_assets: please report it with the table's spec.",
                )
            refused += bad
            found, concerned = found.without({day.day for day in bad})
            for day in bad:
                reload[day.day] = f"refused by {', '.join(day.blocking)}"
            _note(reload, concerned - left, "a row moved between it and a day that was refused")
            left |= concerned

    @cached_property
    def matched(self) -> Match:
        """The changes held against what is published."""
        # No published row has a NULL in a required column: such a key is not looked for.
        required = [name for name in self.table.key if not self.table.column(name).nullable]
        keys = self.found.keys(self.table).drop_nulls(required)
        published = pl.DataFrame(schema=self.found.rows.schema)
        known = self.before.table_state
        if keys.height and known is not None and known.row_count:
            wanted = spooled(self.folder / "keys", keys)
            published = self.warehouse.lookup(self.table, wanted, self.folder / "old").collect()
        return match(self.table, self.found, published, self.scope, is_unique=self.is_unique)

    def _plan(self, found: Match, left: Collection[date]) -> "_Plan":
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
            check.reject(_rejected(found.unreadable.filter(of_day)))
            check.repeat(found.repeated.filter(of_day).drop(DAY))
            good.append(check.add(found.fresh.filter(of_day).drop(DAY)))
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
        told = pl.concat([f.select(_SAME_ROW) for f in newer]) if newer else older.clear()
        same = _positions_alike(older.select(_SAME_ROW), told.select(_SAME_ROW))
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
    ) -> "_Plan":
        key = list(self.table.key)
        touched = sorted(
            {day for day, check in checks.items() if check.has_news}
            | set(found.old[DAY])
            | leaving.keys()
        )
        numbers = {
            row["_day"]: row for row in self.warehouse.profile(self.table, touched).to_dicts()
        }
        published = Published({d: s.row_count for d, s in self.before.states.items()})
        days = []
        for day in touched:
            check = checks.get(day)
            if check is None:
                place = self.folder / uuid.uuid4().hex / day.isoformat()
                check = DayCheck(self.table, day, self.origin, place, self.run_id)
            old = found.old.filter(pl.col(DAY) == day)
            kept = self._kept(day, old, numbers.get(day, {}), check, leaving)
            days.append(check.finish(published, kept=kept))
        gone = found.old.join(good, on=key, how="anti", nulls_equal=True).drop(DAY)
        return _Plan(days, found.old.select(key), gone, found.leaving, cleared, found.outside)

    def _kept(
        self,
        day: date,
        old: pl.DataFrame,
        numbers: Mapping[str, int],
        check: DayCheck,
        leaving: Mapping[date, int],
    ) -> Kept:
        """What stays of the part beside the rows that were put into the check."""
        gone = old.null_count().row(0, named=True) if old.height else {}
        nulls = {
            c.name: numbers.get(c.name, 0) - gone.get(c.name, 0)
            for c in self.table.columns
            if c.nullable
        }
        aside = self.before.quarantine_counts.get(day, 0) - leaving.get(day, 0) - check.known
        state = self.before.states.get(day)
        return Kept(numbers.get("_rows", 0) - old.height, nulls, aside, state)

    def _commit(
        self, plan: "_Plan", after: TableState, history: Sequence[HistoryEntry]
    ) -> Committed:
        now, began = datetime.now(UTC), time.perf_counter()
        staged = [
            StagedDay(
                day.day,
                day.source,
                day.files,
                day.quarantine,
                self._state(day, after.load_id, now),
            )
            for day in plan.days
        ]
        staging = self.warehouse.stage(self.table, staged, self.run_id)
        try:
            versions = self.table.versions is not None and staging.rows > 0
            facts = Facts.nothing(self.table)
            if versions:
                facts = self.warehouse.facts(staging, elsewhere=False, versions=True)
            publication = changes(
                staging,
                self.before.recorded,
                facts,
                table_state=after,
                leaving=spooled(self.folder / "leaving" / after.load_id, plan.old_keys),
                cleared=plan.cleared,
                tombstones=spooled(
                    self.folder / "tombstones" / after.load_id, self._tombstones(plan, now)
                ),
                history=history,
            )
            return Committed.of(publication, self.warehouse.publish(publication), began)
        finally:
            self.warehouse.discard(staging)

    def _state(self, day: LoadedDay, load_id: str, now: datetime) -> PartitionState:
        before = self.before.states.get(day.day)
        state = state_of(day, load_id, self.run_id, now)
        return replace(state, verified_through=before.verified_through if before else None)

    def _tombstones(self, plan: "_Plan", now: datetime) -> pl.DataFrame:
        """The last versions of rows that left for good, if the table's policy is to keep them."""
        key = list(self.table.key)
        dead = plan.gone.join(plan.leaving, on=key, how="semi", nulls_equal=True)
        if self.table.deletes is not Deletes.TOMBSTONE or not dead.height:
            return pl.DataFrame(schema=TOMBSTONE_SCHEMA)
        day = pl.col(self.table.day_column).cast(pl.Date) if self.table.has_days else pl.lit(WHOLE)
        return pl.DataFrame(
            {
                "table_name": self.table.path,
                "partition_key": dead.select(day.alias("day")).to_series(),
                "row_key": keys_of(dead, [self.table.column(name) for name in key]),
                "payload": payloads_of(dead),
                "run_id": self.run_id,
                "found_at": now,
            },
            schema=TOMBSTONE_SCHEMA,
        )


@dataclass(frozen=True)
class _Plan:
    """Checked parts; the keys of published rows that leave; those of them without a successor."""

    days: Sequence[LoadedDay]
    old_keys: pl.DataFrame
    gone: pl.DataFrame
    leaving: pl.DataFrame
    cleared: Sequence[str]
    outside: int


def _note(reload: dict[date, str], days: Collection[date], why: str) -> None:
    for day in days:
        reload.setdefault(day, why)


def _rejected(unreadable: pl.DataFrame) -> Rejected:
    """Rows of `Found.unreadable` as the check takes them."""
    positions = unreadable["position"].to_list()
    return Rejected(
        columns=unreadable["column"].to_list(),
        keys=[position.partition(" ")[2] for position in positions],
        positions=positions,
        payloads=unreadable["payload"].to_list(),
    )


def _positions_alike(older: pl.DataFrame, newer: pl.DataFrame) -> list[str]:
    """The positions that both have the very same rows of, however often each stands."""
    counted = [f.group_by(_SAME_ROW).len() for f in (older, newer)]
    columns = [*_SAME_ROW, "len"]
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
