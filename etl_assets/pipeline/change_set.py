"""From changed rows to changed parts: matched with what is published, checked, published at once.

A sync finds changed rows by their cursor, a reconciliation by comparing; how they are published is
the same and stands here. Only the changed rows travel: of the rest of a part the warehouse tells
the counts. How changes are found is `sync.py` and `reconcile.py`, how the touched parts are checked
`change_plan.py`.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from etl_assets.core.errors import EtlError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes
from etl_assets.core.reload_reasons import only_lacks
from etl_assets.core.rows import TOMBSTONE_SCHEMA, keys_of, payloads_of
from etl_assets.core.scope import Scope
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.change_plan import Plan, Planner
from etl_assets.pipeline.day_check import Origin
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.match import Match, match
from etl_assets.pipeline.publish import Committed, spooled, state_of
from etl_assets.pipeline.sync_log import Remembered, blank, with_token
from etl_assets.sources.found import Found
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import changes
from etl_assets.warehouse.publication import Facts, StagedDay


@dataclass(frozen=True)
class Outcome:
    """What came of changes: the parts that were touched, published or refused by a check.

    No row that has to do with a `refused` part is published; `reload` are all parts that must be
    loaded whole for it, with the reason of each. `outside` counts rows of no day that the platform
    has, `changed` rows that were put in, `removed` rows that left the table without a successor,
    `marked` rows that were found to be gone from the source and stay.
    `committed` is what the publication left behind, None where nothing was published.
    """

    days: Sequence[LoadedDay] = ()
    refused: Sequence[LoadedDay] = ()
    reload: Mapping[date, str] = field(default_factory=dict)
    outside: int = 0
    changed: int = 0
    removed: int = 0
    marked: int = 0
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
            changed=sum(day.files.rows for day in plan.days) - plan.marked,
            removed=plan.gone.height,
            marked=plan.marked,
        )
        known = self.before.table_state
        base = known or blank(self.table, self.run_id, self.origin.as_of)
        after = remembered.state(self.table, base, reload)
        if after == base and not plan.days:
            return outcome
        after = with_token(after, self.run_id, self.origin.as_of)
        entries = remembered.entries(self.table, known, after, self.run_id)
        if not plan.days:
            self.warehouse.move(after, known.load_id if known else None, entries)
            return outcome
        return replace(outcome, committed=self._commit(plan, after, entries))

    def _passing(self, found: Match) -> tuple[Plan, list[LoadedDay], dict[date, str]]:
        """What can be published; the parts that a check refuses; and those that must be loaded."""
        known = self.before.table_state.reload_reasons if self.before.table_state else {}
        # A day that only lacks a column takes changes: its other values are as they should be.
        left = {day for day, why in known.items() if not only_lacks(why)}
        reload: dict[date, str] = {}
        if left:
            found, concerned = found.without(left)
            _note(reload, concerned - left, "a row moved between it and a day that waits")
            left |= concerned
        refused: list[LoadedDay] = []
        while True:
            plan = self._planner.plan(found, left)
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

    @property
    def _planner(self) -> Planner:
        return Planner(
            self.table, self.warehouse, self.before, self.origin, self.folder, self.run_id
        )

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
        return match(
            self.table,
            self.found,
            published,
            self.scope,
            is_unique=self.is_unique,
            as_of=self.origin.as_of,
        )

    def _commit(self, plan: Plan, after: TableState, history: Sequence[HistoryEntry]) -> Committed:
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
        if before is None:
            return state
        # The rows that did not change are those of the code that made the part.
        return replace(state, verified_through=before.verified_through, made_by=before.made_by)

    def _tombstones(self, plan: Plan, now: datetime) -> pl.DataFrame:
        """The last versions of rows that left for good, if the table's policy is to keep them."""
        key = list(self.table.key)
        dead = plan.gone.join(plan.leaving, on=key, how="semi", nulls_equal=True)
        if self.table.deletes is not Deletes.TOMBSTONE or not dead.height:
            return pl.DataFrame(schema=TOMBSTONE_SCHEMA)
        day = pl.repeat(WHOLE, pl.len(), dtype=pl.Date)  # a literal would be one row
        if self.table.has_days:
            day = pl.col(self.table.day_column).cast(pl.Date)
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


def _note(reload: dict[date, str], days: Collection[date], why: str) -> None:
    for day in days:
        reload.setdefault(day, why)
