"""Reconciliation: what differs between source and warehouse is found, repaired and put on record.

It finds what no cursor tells: deletes, changed keys, rows written behind the cursor's back. How
both are compared is `compare.py`; repair brings exactly the rows that differ, by `change_set.py`,
and loads days whole whose quarantine is wrong, by `run_days.py`.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl
import tenacity

from etl_assets.core.digests import not_compared
from etl_assets.core.errors import EtlError, may_pass
from etl_assets.core.gained import Lacking, lacking_note
from etl_assets.core.reload_reasons import lacks_of
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.change_set import ChangeSet, Outcome
from etl_assets.pipeline.compare import Comparing
from etl_assets.pipeline.day_check import Origin
from etl_assets.pipeline.differences import Differences
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.publish import Committed
from etl_assets.pipeline.reloads import change_reloads
from etl_assets.pipeline.run_days import Reloaded, reload
from etl_assets.pipeline.sync_log import Log, Remembered, position_of
from etl_assets.pipeline.sync_part import complete, found_of
from etl_assets.pipeline.turns import in_turn
from etl_assets.sources.base import Source
from etl_assets.warehouse.base import Warehouse

T = TypeVar("T")
DELETES_UNCONFIRMED = 10
"""So many rows may always go, unless a day vanishes: a share means little in a small table."""


class MassDelete(EtlError):
    """More rows are gone from the source than may be removed unconfirmed."""


@dataclass(frozen=True)
class Repair:
    """What a repair did: the outcomes of the rows, the days that were loaded whole, and why rows
    that are gone from the source were left as they are, if they were."""

    outcome: Outcome
    reloaded: Reloaded = field(default_factory=Reloaded)
    mass_delete: MassDelete | None = None


@dataclass(frozen=True)
class Reconciliation:
    """What a reconciliation found and did.

    `differences` is what was found first, `remaining` what the comparison after a repair found.
    `left_out` names the columns that no checksum can cover. `lacking` says which days lack columns
    that the contract gained, `lacking_days` how many: they were not compared; `filled` are those
    that were loaded again before.
    """

    table: str
    differences: Differences
    left_out: Sequence[str]
    repair: Repair | None = None
    remaining: Differences | None = None
    lacking: str = ""
    lacking_days: int = 0
    filled: Reloaded = field(default_factory=Reloaded)

    @property
    def now(self) -> Differences:
        """How source and warehouse differ at the end."""
        return self.remaining or self.differences

    @property
    def verified_through(self) -> datetime:
        """The moment (UTC, source's clock) up to which the days that are equal are."""
        return self.now.through

    @property
    def is_equal(self) -> bool:
        """Whether the last comparison found no difference."""
        return self.now.is_equal


@dataclass(frozen=True)
class Reconciling:
    """A table that is compared with its source, in the days that the platform has (`scope`)."""

    table: LayerTable
    source: Source
    warehouse: Warehouse
    scope: Scope
    folder: Path
    run_id: str
    chunk_rows: int = 50_000

    def run(self, *, repair: bool = False, confirmed: bool = False) -> Reconciliation:
        """Compare; if asked to, repair and compare again; and record what is verified.

        Sync first, or much is pending. Where more rows are gone than may go unconfirmed
        (`Thresholds.max_deleted_share`, or a whole day), these stay, and all else is repaired.
        Raises what the source and the warehouse raise.
        """
        bring_columns(self.warehouse, self.table, self.run_id)
        filled = self._reloaded() if repair and self._lacking() else Reloaded()
        lacking = self._lacking()
        comparing = Comparing(
            self.table, self.source, self.warehouse, self.scope, frozenset(lacking)
        )
        differences = _patiently(comparing.compare)
        found = Reconciliation(
            self.table.path,
            differences,
            not_compared(self.table),
            lacking=lacking_note(self.table, lacking) if lacking else "",
            lacking_days=len(lacking),
            filled=filled,
        )
        if repair and (not differences.is_equal or differences.unmarked.height):
            done = self._repair(differences, confirmed=confirmed)
            found = replace(found, repair=done, remaining=_patiently(comparing.compare))
        self._record(found)
        return found

    def _lacking(self) -> Lacking:
        """The days that lack a column of the contract."""
        state = self.warehouse.table_state(self.table)
        reasons = state.reload_reasons if state else {}
        return {day: names for day, why in reasons.items() if (names := lacks_of(why))}

    def _reloaded(self) -> Reloaded:
        """The days that must be loaded whole, loaded."""
        folder = self.folder / uuid.uuid4().hex
        return reload(self.table, self.source, self.warehouse, folder, self.run_id)

    def _repair(self, differences: Differences, *, confirmed: bool) -> Repair:
        mass_delete = None if confirmed else self._mass_delete(differences)
        chunks = self._chunks(differences, removing=mass_delete is None)
        outcomes = [_patiently(partial(self._bring, keys)) for keys in chunks]
        reloaded = Reloaded()
        if differences.quarantine_days:
            reasons = dict.fromkeys(
                differences.quarantine_days, "its quarantine is not what a load would set aside"
            )
            in_turn(
                lambda: change_reloads(
                    self.warehouse, self.table, reasons, self.run_id, adding=True
                )
            )
            reloaded = self._reloaded()
        return Repair(_together(outcomes), reloaded, mass_delete)

    def _mass_delete(self, found: Differences) -> MassDelete | None:
        gone = found.extra.height
        if gone and getattr(self.table.source, "row_security", False):
            return MassDelete(
                f"{count_of(gone, 'row')} of {self.table.path} {is_or_are(gone)} gone from the "
                "source, or row security "
                "hides them from the reader; they were left as they are.",
                "If they were deleted, run: etl-assets reconcile "
                f"{self.table.path} --repair --confirm-deletes.",
            )
        known = self.warehouse.table_state(self.table)
        published = known.row_count if known else 0
        if self.table.keep_before is not None:  # a share of all that was ever kept means little
            states = self.warehouse.state(self.table)
            published = sum(s.row_count for s in states if s.partition_key in found.compared_days)
        most = self.table.thresholds.max_deleted_share
        on_purpose = (
            "declare deletes=Deletes.KEEP in the table's spec."
            if self.table.keep_before is None
            else f"shorten keep_before in {self.table.declared_in}."
        )
        confirm = (
            f"If that is meant, run: etl-assets reconcile {self.table.path} --repair "
            f"--confirm-deletes. If the source prunes old rows on purpose, {on_purpose}"
        )
        if found.vanished:
            return MassDelete(
                f"{self._told(found.vanished)} of {self.table.path} vanished from the source, and "
                f"a day that vanishes whole is not removed unconfirmed; {count_of(gone, 'row')} "
                f"that {is_or_are(gone)} "
                "gone from the source were left as they are.",
                confirm,
            )
        if gone <= DELETES_UNCONFIRMED or gone <= most * published:
            return None
        return MassDelete(
            f"{gone:,} of {count_of(published, 'row')} of {self.table.path} {is_or_are(gone)} "
            "gone from the source, more "
            f"than the {most:.0%} that may be removed unconfirmed; they were left as they are.",
            confirm,
        )

    def _told(self, days: frozenset[date]) -> str:
        if not self.table.has_days:
            return "All rows"
        shown = ", ".join(map(str, sorted(days)[:3]))
        more = f" and {len(days) - 3} more days" if len(days) > 3 else ""
        return f"All rows of {shown}{more}"

    def _chunks(self, found: Differences, *, removing: bool) -> Iterator[pl.DataFrame]:
        key = list(self.table.key)
        extra = found.extra.select(key) if removing else found.extra.select(key).clear()
        unmarked = found.unmarked.select(key) if found.unmarked.width else extra.clear()
        keys = pl.concat([found.missing, found.changed, extra, unmarked]).unique()
        return keys.iter_slices(self.chunk_rows)

    def _bring(self, keys: pl.DataFrame) -> Outcome:
        """Bring the rows with these keys as the source has them now, or has them no longer."""
        before = Before.of(self.warehouse, self.table)
        with self.source.again(None).open() as snapshot:
            read = snapshot.by_keys(keys)
            found, is_unique = complete(self.table, snapshot, found_of(self.table, read))
            origin = Origin(snapshot.source, snapshot.as_of, read.query, limits=snapshot.limits())
        alive = found.keys(self.table)
        gone = keys.join(alive, on=list(self.table.key), how="anti", nulls_equal=True)
        folder = self.folder / uuid.uuid4().hex
        outcome = ChangeSet(
            self.table,
            self.warehouse,
            before,
            replace(found, gone=gone),
            origin,
            self.scope,
            folder,
            self.run_id,
            is_unique,
        ).publish(Remembered(position_of(self.table, before.table_state)))
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _record(self, found: Reconciliation) -> None:
        """`verified_through` of every part that is equal, and the report."""
        equal = found.now.compared_days - found.now.days
        self.warehouse.verify(self.table, sorted(equal), found.verified_through)
        self.warehouse.record([Log(self.table, self.run_id).reconciled(report_of(found))])


def report_of(found: Reconciliation) -> dict[str, object]:
    """The reconciliation as numbers and days, for `etl_history`."""
    differences, repair = found.differences, found.repair
    return {
        "compared_days": len(differences.compared_days),
        "missing": differences.missing.height,
        "changed": differences.changed.height,
        "extra": differences.extra.height,
        "pending": differences.pending,
        "days": sorted(day.isoformat() for day in differences.days),
        "quarantine_days": sorted(day.isoformat() for day in differences.quarantine_days),
        "without_day": differences.without_day,
        "repaired": repair is not None,
        "removed": repair.outcome.removed if repair else 0,
        "kept": found.now.kept,
        "marked": repair.outcome.marked if repair else 0,
        "open_from": found.now.open_from.isoformat() if found.now.open_from else None,
        "equal": found.is_equal,
        "verified_through": found.verified_through.isoformat(),
        "columns_left_out": list(found.left_out),
        "days_lacking_columns": found.lacking_days,
    }


def _patiently(work: Callable[[], T]) -> T:
    """What `work` returns; trouble that may pass is sat out, five attempts in all."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(5),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=15),
        reraise=True,
    )
    done: T = attempts(work)
    return done


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        days=[day for outcome in outcomes for day in outcome.days],
        refused=[day for outcome in outcomes for day in outcome.refused],
        reload={day: why for outcome in outcomes for day, why in outcome.reload.items()},
        outside=sum(outcome.outside for outcome in outcomes),
        changed=sum(outcome.changed for outcome in outcomes),
        removed=sum(outcome.removed for outcome in outcomes),
        marked=sum(outcome.marked for outcome in outcomes),
        committed=_committed([o.committed for o in outcomes if o.committed]),
    )


def _committed(all_of: Sequence[Committed]) -> Committed | None:
    """What several publications left behind: of each part the last state."""
    if not all_of:
        return None
    return Committed(
        states=list({s.partition_key: s for one in all_of for s in one.states}.values()),
        versions=list({s.partition_key: s for one in all_of for s in one.versions}.values()),
        total_rows=all_of[-1].total_rows,
        seconds=sum(one.seconds for one in all_of),
        jobs=[job for one in all_of for job in one.jobs],
    )
