"""One run of a dimension: what changed is read, its versions are made, checked and published.

Only the keys that changed are made anew, and only versions that differ are written, in one
transaction with what they were made of; the result is the same as made from nothing. What is read
is `reading.py`, what comes and leaves `making.py`, how it is published `settling.py`, and which
facts see it `marks.py`.
"""

import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from etl_assets.core.catalog import Catalog
from etl_assets.core.dimension import HISTORY, Dimension, Snapshots
from etl_assets.core.errors import ContractMismatch, UpstreamMissing
from etl_assets.core.lateness import Loads, made_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import noted
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.dimensions.deletions import deletions_of
from etl_assets.pipeline.dimensions.making import Made, Making
from etl_assets.pipeline.dimensions.marks import (
    Marks,
    readers_of,
)
from etl_assets.pipeline.dimensions.reading import Wanted, goal_of, noted_loads
from etl_assets.pipeline.dimensions.settling import Settling
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.publish import Committed
from etl_assets.pipeline.turns import in_turn
from etl_assets.warehouse.base import Warehouse


@dataclass(frozen=True)
class DimensionRun:
    """What came of a run: the verdict on the dimension, and what was published.

    `loaded` is None where nothing had changed. `keys` counts the keys that were made anew, `coming`
    and `leaving` versions; `whole` says that all of it was made. `marks` are the days of facts that
    are late by it. `committed` is None where a check refused it.
    """

    loaded: LoadedDay | None
    committed: Committed | None
    keys: int = 0
    coming: int = 0
    leaving: int = 0
    whole: bool = False
    marks: Marks = field(default_factory=dict)


def build_dimension(
    warehouse: Warehouse, catalog: Catalog, table: LayerTable, folder: Path, run_id: str
) -> DimensionRun:
    """Bring the dimension up to its input, and say which days of facts see it.

    Raises UpstreamMissing where the input was never published, ContractMismatch for a `prepare`
    that does not make its contract and for a snapshot that is far too small, and what the
    warehouse raises; then nothing has changed. Where another run publishes the dimension meanwhile,
    it is done again.
    """
    return in_turn(
        lambda: _Build(warehouse, catalog, table, folder / uuid.uuid4().hex, run_id).run()
    )


def compare_dimension(
    warehouse: Warehouse, catalog: Catalog, table: LayerTable, folder: Path, run_id: str
) -> Made:
    """All versions as the code at hand makes them: those that would come, and that would leave.

    Nothing is published. Raises what `build_dimension` raises before it publishes.
    """
    return _Build(warehouse, catalog, table, folder / uuid.uuid4().hex, run_id).compare()


@dataclass(frozen=True)
class _Build:
    warehouse: Warehouse
    catalog: Catalog
    table: LayerTable
    folder: Path
    run_id: str

    @property
    def dimension(self) -> Dimension:
        found = self.table.dimension
        assert found is not None  # noqa: S101 - only dimensions are built
        return found

    def run(self) -> DimensionRun:
        # Its own published versions are read by the contract, so that columns that it gained come
        # first.
        bring_columns(self.warehouse, self.table, self.run_id)
        before = Before.of(self.warehouse, self.table)
        known = before.states.get(WHOLE)
        upstream, parts = self._upstream()
        self._refuse_small(upstream, parts)
        states = self.warehouse.state(noted(self.table, upstream.path))
        goal = goal_of(self.catalog, self.table, parts, states, is_first=known is None)
        # Before the tombstones: what is published in between makes the dimension late.
        target = self._target(parts)
        gone = deletions_of(self.warehouse, self.catalog, self.table)
        if gone.are_new:
            goal = replace(goal, gone=gone.theirs)
        readers = readers_of(self.catalog, self.table)
        if known is not None and known.made_of == target and goal.is_nothing:
            rows = before.table_state.row_count if before.table_state else 0
            return DimensionRun(None, Committed(total_rows=rows, same={WHOLE: known}))
        making = Making(
            self.warehouse, self.table, self.dimension, upstream, before, self.folder, self.run_id
        )
        made = making.made(goal, gone, self._incomplete(upstream, goal.parts), target)
        if not made.loaded.is_good:
            return DimensionRun(made.loaded, None, made.keys, whole=goal.whole)
        # Facts that were made before the dimension was there wait for it; they need no mark.
        unsettled = known is not None and known.made_of is None
        settles = bool(readers) and known is not None and (unsettled or made.changes)
        notes = {upstream.path: noted_loads(self.dimension, parts, goal.changed), **gone.note}
        settling = Settling(self.warehouse, self.table, self.dimension.sk, self.folder, self.run_id)
        committed = settling.publish(made, before, notes, settled=not settles)
        marks: Marks = {}
        if settles:
            # Facts that point to the unknown member have its values, and no key to look them up by.
            every = unsettled or made.unknown_is_new
            marks = settling.settle(made, readers, committed, target, every=every)
        return DimensionRun(
            made.loaded,
            committed,
            made.keys,
            made.coming.rows,
            made.leaving.rows,
            goal.whole,
            marks,
        )

    def compare(self) -> Made:
        before = Before.of(self.warehouse, self.table)
        upstream, parts = self._upstream()
        self._refuse_small(upstream, parts)
        gone = deletions_of(self.warehouse, self.catalog, self.table)
        goal = Wanted(parts, frozenset(parts), whole=True)
        making = Making(
            self.warehouse, self.table, self.dimension, upstream, before, self.folder, self.run_id
        )
        return making.made(goal, gone, self._incomplete(upstream, parts), self._target(parts))

    def _upstream(self) -> tuple[LayerTable, Mapping[date, PartitionState]]:
        """The input, and its parts as they are published; raises UpstreamMissing for none."""
        upstream = self.catalog.inputs_of(self.table)[HISTORY]
        parts = {state.partition_key: state for state in self.warehouse.seen.state(upstream)}
        if not parts:
            publisher = self.catalog.publisher_of(upstream.path)
            raise UpstreamMissing(
                f"{upstream.path} is not published, and {self.table.path} is made of it.",
                f"Load it first: etl-assets backfill {publisher}.",
            )
        return upstream, parts

    def _refuse_small(self, upstream: LayerTable, parts: Mapping[date, PartitionState]) -> None:
        """Of snapshots none may lack most of the one before: it would close all that it lacks."""
        if not isinstance(self.dimension.history, Snapshots):
            return
        least, days = self.table.thresholds.min_share_of_last, sorted(parts)
        for day, following in itertools.pairwise(days):
            rows, then = parts[day].row_count, parts[following].row_count
            if then < rows * least:
                raise ContractMismatch(
                    f"The snapshot {upstream.path} {following} has {count_of(then, 'row')}, and "
                    "that of "
                    f"{day} has {rows:,}: {self.table.path} would close what it lacks. Nothing "
                    "was published.",
                    f"Load it again: etl-assets backfill {upstream.path} --from {following} --to "
                    f"{following}. If it is right, lower thresholds.min_share_of_last "
                    f"({least}) in {self.table.declared_in}.",
                )

    def _incomplete(self, upstream: LayerTable, parts: Mapping[date, PartitionState]) -> set[date]:
        """The snapshots of which rows are in quarantine: theirs, or of the tables above them."""
        found = {day for day, state in parts.items() if state.quarantined_count}
        if isinstance(self.dimension.history, Snapshots):
            for above in self.catalog.inputs_of(upstream).values():
                states = self.warehouse.seen.state(above)
                found |= {one.partition_key for one in states if one.quarantined_count}
        return found & parts.keys()

    def _target(self, parts: Mapping[date, PartitionState]) -> str:
        """What the dimension is made of, as `core/lateness.py` has it."""
        loads = {HISTORY: Loads({part: state.load_id for part, state in parts.items()})}
        for name, above in self.catalog.inputs_of(self.table).items():
            if name != HISTORY:
                states = self.warehouse.seen.state(above)
                loads[name] = Loads({state.partition_key: state.load_id for state in states})
        return made_of(self.table, loads, WHOLE)
