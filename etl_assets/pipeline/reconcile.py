"""Reconciliation: what differs between source and warehouse is found, repaired and put on record.

It finds what no cursor tells: deletes, changed keys, rows written behind the cursor's back. How
both are compared is `comparing.py`; repair brings exactly the rows that differ, by `changing.py`.
"""

import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.core.digests import not_compared
from etl_assets.core.errors import EtlError, may_pass
from etl_assets.core.scope import Scope
from etl_assets.core.state import WHOLE_TABLE
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.change_set import Before, ChangeSet, Outcome
from etl_assets.pipeline.compare import Comparing, Differences
from etl_assets.pipeline.judge import Moment
from etl_assets.pipeline.sync import found_of
from etl_assets.pipeline.sync_log import Log, position_of
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.warehouse.base import Warehouse

DELETES_UNCONFIRMED = 10
"""So many rows may always go: a share means little in a small table."""


class MassDelete(EtlError):
    """More rows are gone from the source than may be removed unconfirmed."""


@dataclass(frozen=True)
class Reconciliation:
    """What a reconciliation found and did.

    `left_out` names the columns that no checksum can cover. `outcome` is of the repair, if any;
    `mass_delete` says why rows that are gone were left.
    """

    table: str
    differences: Differences
    left_out: Sequence[str]
    outcome: Outcome | None = None
    mass_delete: MassDelete | None = None

    @property
    def verified_through(self) -> datetime:
        """The moment (UTC, source's clock) up to which the days that are equal are."""
        return self.differences.through

    @property
    def is_equal(self) -> bool:
        """Whether source and warehouse are equal now."""
        if self.outcome is not None:
            return not self.outcome.refused and self.mass_delete is None
        return not self.differences.count


@dataclass(frozen=True)
class Reconciling:
    """A table that is compared with its source, in the days that the platform has (`scope`)."""

    table: LayerTable
    reader: PostgresReader
    warehouse: Warehouse
    scope: Scope
    folder: Path
    run_id: str
    chunk_rows: int = 50_000

    def run(self, *, repair: bool = False, confirmed: bool = False) -> Reconciliation:
        """Compare, repair if asked to, and record what is verified; sync first, or much is pending.

        Where more rows are gone than `Thresholds.max_deleted_share` lets go unconfirmed, these
        stay, and all else is repaired. Raises what the source and the warehouse raise.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_pass),
            stop=tenacity.stop_after_attempt(5),
            wait=tenacity.wait_exponential_jitter(initial=0.5, max=15),
            reraise=True,
        )
        comparing = Comparing(self.table, self.reader, self.warehouse, self.scope)
        differences = attempts(comparing.compare)
        found = Reconciliation(self.table.path, differences, not_compared(self.table))
        if repair and differences.count:
            mass_delete = None if confirmed else self._mass_delete(differences)
            chunks = self._chunks(differences, removing=mass_delete is None)
            outcome = _together([attempts(self._repair, keys) for keys in chunks])
            found = replace(found, outcome=outcome, mass_delete=mass_delete)
        self._record(found)
        return found

    def _mass_delete(self, found: Differences) -> MassDelete | None:
        gone = found.extra.height
        published = sum(state.row_count for state in self.warehouse.state(self.table))
        most = self.table.thresholds.max_deleted_share
        if gone <= DELETES_UNCONFIRMED or gone <= most * published:
            return None
        return MassDelete(
            f"{gone:,} of {published:,} rows of {self.table.path} are gone from the source, more "
            f"than the {most:.0%} that may be removed unconfirmed; they were left as they are.",
            f"If that is meant, run: etl-assets reconcile {self.table.path} --repair "
            "--confirm-deletes.",
        )

    def _chunks(self, found: Differences, *, removing: bool) -> Iterator[pl.DataFrame]:
        extra = found.extra if removing else found.extra.clear()
        keys = pl.concat([found.missing, found.changed, extra]).unique()
        return keys.iter_slices(self.chunk_rows)

    def _repair(self, keys: pl.DataFrame) -> Outcome:
        """Bring the rows with these keys as the source has them now, or has them no longer."""
        before = Before(self.warehouse.look(self.table))
        with self.reader.snapshot(self.table) as snapshot:
            read = snapshot.by_keys(keys)
            found = found_of(self.table, read)
            moment = Moment(snapshot.source, snapshot.as_of, read.query)
        alive = found.keys(self.table)
        found = replace(found, gone=keys.join(alive, on=list(self.table.key), how="anti"))
        folder = self.folder / uuid.uuid4().hex
        changes = ChangeSet(
            self.table, self.warehouse, before, found, moment, self.scope, folder, self.run_id
        )
        log = Log(self.table, self.run_id)
        outcome = changes.publish(
            position_of(self.table, before.position),
            lambda owed: log.owing(before.look, owed),
        )
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _record(self, found: Reconciliation) -> None:
        """`verified_through` of every day that is equal, and the report."""
        differences, through = found.differences, found.verified_through
        is_repaired = found.outcome is not None and found.mass_delete is None
        wrong = found.outcome.owed if found.outcome and is_repaired else differences.days
        self.warehouse.verify(self.table, sorted(differences.compared_days - wrong), through)
        if not wrong:
            self.warehouse.verify(self.table, [WHOLE_TABLE], through)
        self.warehouse.record([Log(self.table, self.run_id).reconciled(report_of(found))])


def report_of(found: Reconciliation) -> dict[str, object]:
    """The reconciliation as numbers and days, for `etl_history`."""
    differences, outcome = found.differences, found.outcome
    return {
        "compared_days": len(differences.compared_days),
        "missing": differences.missing.height,
        "changed": differences.changed.height,
        "extra": differences.extra.height,
        "pending": differences.pending,
        "days": sorted(day.isoformat() for day in differences.days),
        "repaired": outcome is not None,
        "removed": outcome.removed if outcome else 0,
        "verified_through": found.verified_through.isoformat(),
        "columns_left_out": list(found.left_out),
    }


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        days=[day for outcome in outcomes for day in outcome.days],
        refused=[day for outcome in outcomes for day in outcome.refused],
        owed=frozenset().union(*(outcome.owed for outcome in outcomes)),
        outside=sum(outcome.outside for outcome in outcomes),
        changed=sum(outcome.changed for outcome in outcomes),
        removed=sum(outcome.removed for outcome in outcomes),
        jobs=[job for outcome in outcomes for job in outcome.jobs],
    )
