"""From changed rows to changed days: matched with what is published, judged, published at once.

A sync finds changed rows by their cursor, a reconciliation by comparing; what becomes of them is
the same and stands here. Only the changed rows travel: of the rest of a touched day the warehouse
tells the counts. How changes are found is `syncing.py` and `reconciling.py`.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from etl_assets.core.frames import DAY
from etl_assets.core.policies import Deletes
from etl_assets.core.position import Position
from etl_assets.core.rows import TOMBSTONE_SCHEMA, keys_of, payloads_of
from etl_assets.core.scope import Scope
from etl_assets.core.state import WHOLE_TABLE, HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.judge import Judge, Moment, Sifted
from etl_assets.pipeline.match import Match, match
from etl_assets.pipeline.publish import state_of
from etl_assets.sources.found import Found
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Changes, JobCost, Look, Mode, StagedDay, Warehouse

History = Callable[[frozenset[date]], Sequence[HistoryEntry]]


@dataclass(frozen=True)
class Before:
    """What is published of a table when the work begins; publication fails if that has changed."""

    look: Look

    @property
    def position(self) -> PartitionState | None:
        """The table's own row."""
        return self.look.own

    @property
    def token(self) -> str | None:
        """What is compared at the end."""
        return self.look.own.load_id if self.look.own else None

    @cached_property
    def states(self) -> Mapping[date, PartitionState]:
        """The states of its days."""
        return {state.partition_key: state for state in self.look.states}

    @property
    def quarantine(self) -> pl.DataFrame:
        """As `Warehouse.quarantined` has it."""
        return self.look.quarantine


@dataclass(frozen=True)
class Outcome:
    """What came of changes: the touched days, published or refused by a check.

    No row that has to do with a `refused` day is published; `owed` are all days that have to be
    loaded anew for it. `outside` counts rows of no day that the platform has, `changed` rows that
    were put in, `removed` rows that left the table without a successor. `load_id` is what the
    states of the days say, empty where nothing was published.
    """

    days: Sequence[LoadedDay] = ()
    refused: Sequence[LoadedDay] = ()
    owed: frozenset[date] = frozenset()
    outside: int = 0
    changed: int = 0
    removed: int = 0
    load_id: str = ""
    jobs: Sequence[JobCost] = ()


@dataclass(frozen=True)
class ChangeSet:
    """Changes of a table that were found at one moment, and what is published before them."""

    table: LayerTable
    warehouse: Warehouse
    before: Before
    found: Found
    moment: Moment
    scope: Scope
    folder: Path
    run_id: str

    def publish(self, mark: Position | None, history: History) -> Outcome:
        """Publish what the checks let pass and move the table's position to `mark`, at once.

        `history` is asked for what to record, given the days that are owed. Where nothing is to do
        and the position is there already, nothing is published. Raises LostTurn where somebody else
        published to the table since `before`, and whatever else the warehouse raises; then nothing
        has changed.
        """
        found = self._matched()
        refused: list[LoadedDay] = []
        owed: set[date] = set()
        while True:
            plan = self._plan(found, owed)
            bad = [day for day in plan.days if not day.is_good]
            if not bad:
                break
            refused += bad
            found, concerned = found.without({day.day for day in bad})
            owed |= concerned
        outcome = Outcome(
            days=plan.days,
            refused=refused,
            owed=frozenset(owed),
            outside=found.outside,
            changed=sum(day.files.rows for day in plan.days),
            removed=plan.gone.height,
        )
        entries = history(outcome.owed)
        if not (plan.days or entries) and self._stands_at(mark):
            return outcome
        load_id = uuid.uuid4().hex
        jobs = self._commit(plan, mark, entries, load_id)
        return replace(outcome, load_id=load_id, jobs=jobs)

    def _matched(self) -> Match:
        keys = self.found.keys(self.table)
        published = pl.DataFrame(schema=self.found.rows.schema)
        if keys.height and self.before.states:
            spooled = _spooled(self.folder / "keys", keys)
            published = self.warehouse.lookup(self.table, spooled, self.folder / "old").collect()
        return match(self.table, self.found, published, self.scope)

    def _plan(self, found: Match, left: Collection[date]) -> "_Plan":
        """The touched days, judged; the days that are `left` out are not touched at all."""
        judge = Judge(
            self.table,
            self.moment,
            self.before.states,
            self.before.quarantine,
            self.folder / uuid.uuid4().hex,
            self.run_id,
        )
        sifted = {day: self._without_known(one) for day, one in judge.sift(found).items()}
        good = pl.concat([found.fresh.clear().drop(DAY), *(one.good for one in sifted.values())])
        still = {position for one in sifted.values() for position in one.known["source_position"]}
        cleared = found.positions(self.moment.source) & set(
            self.before.quarantine["source_position"]
        )
        kept = self.before.quarantine.filter(pl.col("partition_key").is_in(left))
        cleared -= still | set(kept["source_position"])
        aside = self.before.quarantine.filter(pl.col("source_position").is_in(cleared))
        touched = sorted(
            {day for day, one in sifted.items() if one.good.height or one.aside.height}
            | set(found.old[DAY])
            | set(aside["partition_key"])
        )
        profile = self.warehouse.profile(self.table, touched)
        days = judge.judge(touched, sifted, found.old, profile, cleared)
        gone = found.old.join(good, on=list(self.table.key), how="anti").drop(DAY)
        return _Plan(days, gone, found.leaving, sorted(cleared))

    def _without_known(self, sifted: Sifted) -> Sifted:
        """Leave out what is in quarantine just so already: it was read again, not changed."""
        same = ["partition_key", "source_position", "payload"]
        known = sifted.aside.join(self.before.quarantine, on=same, how="semi")
        return replace(sifted, aside=sifted.aside.join(known, on=same, how="anti"), known=known)

    def _stands_at(self, mark: Position | None) -> bool:
        position = self.before.position
        at = (position.high_watermark, position.watermark_key) if position else (None, None)
        return at == _columns(mark)

    def _commit(
        self,
        plan: "_Plan",
        mark: Position | None,
        history: Sequence[HistoryEntry],
        load_id: str,
    ) -> Sequence[JobCost]:
        now = datetime.now(UTC)
        states = [self._state(day, load_id, now) for day in plan.days]
        staged = [
            StagedDay(day.day, day.source, day.files, day.quarantine, state)
            for day, state in zip(plan.days, states, strict=True)
        ]
        rows = {day: state.row_count for day, state in self.before.states.items()}
        rows |= {state.partition_key: state.row_count for state in states}
        changes = Changes(
            token=self.before.token,
            position=self.position(mark, load_id, now, sum(rows.values())),
            gone=_spooled(self.folder / "gone" / load_id, plan.gone),
            tombstones=_spooled(self.folder / "tombstones" / load_id, self._tombstones(plan, now)),
            cleared=plan.cleared,
            history=history,
        )
        if not staged:
            self.warehouse.move(changes.position, changes.token, history)
            return ()
        warehouse, mode = self.warehouse, Mode.CHANGES
        staging = warehouse.stage(self.table, staged, self.run_id, mode, changes)
        return warehouse.publish(staging).jobs

    def _state(self, day: LoadedDay, load_id: str, now: datetime) -> PartitionState:
        before = self.before.states.get(day.day)
        state = state_of(day, load_id, self.run_id, now)
        return replace(state, verified_through=before.verified_through if before else None)

    def position(
        self, mark: Position | None, load_id: str, now: datetime, rows: int
    ) -> PartitionState:
        """The table's own row."""
        before = self.before.position
        high_watermark, watermark_key = _columns(mark)
        return PartitionState(
            table_name=self.table.path,
            partition_key=WHOLE_TABLE,
            high_watermark=high_watermark,
            watermark_key=watermark_key,
            row_count=rows,
            source_count=None,
            quarantined_count=0,
            checks_passed=0,
            checks_failed=0,
            as_of=self.moment.as_of,
            load_id=load_id,
            run_id=self.run_id,
            seconds=0.0,
            verified_through=before.verified_through if before else None,
            updated_at=now,
        )

    def _tombstones(self, plan: "_Plan", now: datetime) -> pl.DataFrame:
        """The last versions of rows that left for good, if the table's policy is to keep them."""
        key = list(self.table.key)
        dead = plan.gone.join(plan.leaving, on=key, how="semi")
        if self.table.deletes is not Deletes.TOMBSTONE or not dead.height:
            return pl.DataFrame(schema=TOMBSTONE_SCHEMA)
        days = dead.select(pl.col(self.table.day_column).cast(pl.Date)).to_series()
        return pl.DataFrame(
            {
                "table_name": self.table.path,
                "partition_key": days,
                "row_key": keys_of(dead, [self.table.column(name) for name in key]),
                "payload": payloads_of(dead),
                "run_id": self.run_id,
                "found_at": now,
            },
            schema=TOMBSTONE_SCHEMA,
        )


@dataclass(frozen=True)
class _Plan:
    """Judged days, the published rows that leave without a successor, and their reasons."""

    days: Sequence[LoadedDay]
    gone: pl.DataFrame
    leaving: pl.DataFrame
    cleared: Sequence[str]


def _columns(mark: Position | None) -> tuple[datetime | None, str | None]:
    """`high_watermark` and `watermark_key` of a table's own row."""
    return (mark.moment, mark.as_text()) if mark else (None, None)


def _spooled(folder: Path, frame: pl.DataFrame) -> SpoolFiles:
    files = SpoolFiles(folder)
    files.write(frame)
    files.close()
    return files
