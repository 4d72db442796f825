"""One run of a dimension: what changed is read, its versions are made, checked and published.

Only the keys that changed are made anew, and only versions that differ are written, in one
transaction with what they were made of; the result is the same as made from nothing. What is read
is `reading.py`, what comes and leaves `versions.py`, which facts see it `marks.py`.
"""

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from etl_assets.core.as_of import UNKNOWN
from etl_assets.core.audit import fingerprint
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import polars_schema
from etl_assets.core.dimension import HISTORY, Dimension, Snapshots
from etl_assets.core.errors import ContractMismatch, LostTurn, UpstreamMissing
from etl_assets.core.lateness import Loads, made_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import noted, readings
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.change_plan import SAME_ROW, positions_alike
from etl_assets.pipeline.day_check import DayCheck, Kept, Origin
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.dimensions.deletions import Deletions, deletions_of
from etl_assets.pipeline.dimensions.marks import (
    Marks,
    Reader,
    days_that_differ,
    every_day,
    readers_of,
)
from etl_assets.pipeline.dimensions.reading import Wanted, buckets, wanted
from etl_assets.pipeline.dimensions.versions import Maker
from etl_assets.pipeline.publish import Committed, in_turn, state_of
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import table_state_after
from etl_assets.warehouse.publication import Publication, StagedDay


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
        before = Before.of(self.warehouse, self.table)
        known = before.states.get(WHOLE)
        upstream = self.catalog.inputs_of(self.table)[HISTORY]
        parts = {state.partition_key: state for state in self.warehouse.state(upstream)}
        if not parts:
            publisher = self.catalog.publisher_of(upstream.path)
            raise UpstreamMissing(
                f"{upstream.path} is not published, and {self.table.path} is made of it.",
                f"Load it first: etl-assets backfill {publisher}.",
            )
        self._refuse_small(upstream, parts)
        loads = {part: fingerprint([self.dimension.digest, s.load_id]) for part, s in parts.items()}
        states = self.warehouse.state(noted(self.table, upstream.path))
        seen = {state.partition_key: state.load_id for state in states}
        goal = wanted(
            self.dimension,
            parts,
            seen,
            loads,
            is_first=known is None,
            grows_only=self.catalog.publisher_of(upstream.path) != upstream.path,
        )
        # Before the tombstones: what is published in between makes the dimension late.
        target = self._target(parts)
        gone = deletions_of(self.warehouse, self.catalog, self.table)
        if gone.are_new:
            goal = replace(goal, gone=gone.theirs)
        readers = readers_of(self.catalog, self.table)
        if known is not None and known.made_of == target and goal.is_nothing:
            rows = before.table_state.row_count if before.table_state else 0
            return DimensionRun(None, Committed(total_rows=rows, unchanged=True))
        made = self._made(upstream, goal, gone, before, target)
        if not made.loaded.is_good:
            return DimensionRun(made.loaded, None, made.keys, whole=goal.whole)
        # Facts that were made before the dimension was there wait for it; they need no mark.
        unsettled = known is not None and known.made_of is None
        settles = bool(readers) and known is not None and (unsettled or made.changes)
        notes = {upstream.path: {part: loads[part] for part in goal.changed}, **gone.note}
        committed = self._publish(made, before, notes, settled=not settles)
        marks: Marks = {}
        if settles:
            # Facts that point to the unknown member have its values, and no key to look them up by.
            every = unsettled or made.unknown_is_new
            marks = self._settle(made, readers, committed, target, every=every)
        return DimensionRun(
            made.loaded,
            committed,
            made.keys,
            made.check.files.rows,
            made.leaving.rows,
            goal.whole,
            marks,
        )

    def _refuse_small(self, upstream: LayerTable, parts: Mapping[date, PartitionState]) -> None:
        """Of snapshots none may lack most of the one before: it would close all that it lacks."""
        if not isinstance(self.dimension.history, Snapshots):
            return
        least, days = self.table.thresholds.min_share_of_last, sorted(parts)
        for day, following in itertools.pairwise(days):
            rows, then = parts[day].row_count, parts[following].row_count
            if then < rows * least:
                raise ContractMismatch(
                    f"The snapshot {upstream.path} {following} has {then:,} "
                    f"{'row' if then == 1 else 'rows'}, and that of "
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
                states = self.warehouse.state(above)
                found |= {one.partition_key for one in states if one.quarantined_count}
        return found & parts.keys()

    def _target(self, parts: Mapping[date, PartitionState]) -> str:
        """What the dimension is made of, as `core/lateness.py` has it."""
        loads = {HISTORY: Loads({part: state.load_id for part, state in parts.items()})}
        for name, above in self.catalog.inputs_of(self.table).items():
            if name != HISTORY:
                states = self.warehouse.state(above)
                loads[name] = Loads({state.partition_key: state.load_id for state in states})
        return made_of(self.table, loads, WHOLE)

    def _made(
        self,
        upstream: LayerTable,
        goal: Wanted,
        gone: Deletions,
        before: Before,
        target: str,
    ) -> "_Made":
        """The versions that come and leave, spooled and checked."""
        now = datetime.now(UTC)
        incomplete = self._incomplete(upstream, goal.parts)
        maker = Maker(
            self.table,
            self.dimension,
            upstream,
            goal.parts.keys(),
            now,
            incomplete,
            gone.ours if self.dimension.closes else None,
        )
        origin = Origin(upstream.path, now, made_of=target)
        check = DayCheck(
            self.table, WHOLE, origin, self.folder / "checked", self.run_id, holds=True
        )
        leaving = SpoolFiles(self.folder / "leaving")
        gone_nulls: Counter[str] = Counter()
        keys = 0
        prefixes: set[str] = set()
        unknown = self._published_unknown(before)
        renewed = unknown.height > 0 and goal.whole and maker.differs(unknown)
        if unknown.height == 0 or renewed:
            check.add(maker.unknown())
            leaving.write(unknown)
            _count_nulls(unknown, gone_nulls)
        with closing(
            buckets(self.warehouse, self.table, upstream, goal, self.folder / "read")
        ) as found:
            for bucket in () if goal.is_nothing else found:
                step = maker.difference(bucket)
                check.add(step.coming)
                leaving.write(step.leaving)
                check.reject_lines(step.aside)
                _count_nulls(step.leaving, gone_nulls)
                keys += len(step.looked_at)
                prefixes.update(step.looked_at)
        leaving.close()
        self._refuse_collision(before, check, leaving)
        cleared, aside = self._cleared(check, None if goal.whole else prefixes)
        kept = self._kept(before, leaving.rows, gone_nulls, aside - check.known)
        loaded = check.finish(Published(), kept=kept)
        return _Made(loaded, check, leaving, cleared, keys, renewed)

    def _published_unknown(self, before: Before) -> pl.DataFrame:
        """The unknown member as it is published; no row before the first publication."""
        schema = polars_schema(self.table.columns)
        if before.states.get(WHOLE) is None:
            return pl.DataFrame(schema=schema)
        keys = SpoolFiles(self.folder / "unknown_key")
        keys.write(pl.DataFrame({self.dimension.sk: [UNKNOWN]}))
        keys.close()
        return self.warehouse.lookup(self.table, keys, self.folder / "unknown").collect()

    def _refuse_collision(self, before: Before, check: DayCheck, leaving: SpoolFiles) -> None:
        """Two versions of one number would be one for every fact that points to it."""
        check.files.close()
        if before.states.get(WHOLE) is None or not check.files.rows:
            return
        sk = self.dimension.sk
        coming = _column(check.files, sk, self.folder / "coming_keys")
        there = self.warehouse.lookup(self.table, coming, self.folder / "there").select(sk)
        gone = _scanned(_column(leaving, sk, self.folder / "gone"), pl.Schema({sk: pl.Int64()}))
        left = there.join(gone, on=sk, how="anti").head(1).collect()
        if left.height:
            raise ContractMismatch(
                f"Two versions of {self.table.path} have the number {left.item(0, 0)} as {sk}, "
                "which is a digest of their key and time. Nothing was published.",
                f"Give the dimension another name for it (sk=...) in {self.table.declared_in}, or "
                "leave one of the two keys out.",
            )

    def _cleared(self, check: DayCheck, prefixes: set[str] | None) -> tuple[list[str], int]:
        """The positions whose quarantine leaves, and how many rows of it stay.

        `prefixes` are those of the keys that were made anew; None for all keys.
        """
        older = self.warehouse.quarantined(self.table)
        at = older["source_position"].str.replace(r"^(.*) at .*$", "$1")
        ours = older if prefixes is None else older.filter(at.is_in(list(prefixes)))
        same = positions_alike(ours.select(SAME_ROW), check.set_aside_rows().select(SAME_ROW))
        check.forget_known(same)
        leaving = ours.filter(~pl.col("source_position").is_in(same))
        return sorted(set(leaving["source_position"])), older.height - leaving.height

    def _kept(
        self, before: Before, leaving: int, gone_nulls: Mapping[str, int], aside: int
    ) -> Kept | None:
        state = before.states.get(WHOLE)
        if state is None:
            return None
        found = self.warehouse.profile(self.table, [WHOLE]).to_dicts()
        numbers = found[0] if found else {}
        nulls = {
            column.name: numbers.get(column.name, 0) - gone_nulls.get(column.name, 0)
            for column in self.table.columns
            if column.nullable
        }
        rows = numbers.get("_rows", 0)
        return Kept(rows - leaving, nulls, aside, None, published=rows)

    def _publish(
        self,
        made: "_Made",
        before: Before,
        loads: Mapping[str, Mapping[date, str]],
        *,
        settled: bool,
    ) -> Committed:
        began, now, load_id = time.perf_counter(), datetime.now(UTC), uuid.uuid4().hex
        state = state_of(made.loaded, load_id, self.run_id, now)
        # Until the facts that see it are marked it counts as late (`marks.py`).
        state = state if settled else replace(state, made_of=None)
        notes = [
            note
            for path, read in loads.items()
            for note in readings(self.table.path, path, read, self.run_id, now)
        ]
        staged = StagedDay(
            WHOLE, made.loaded.source, made.loaded.files, made.loaded.quarantine, state
        )
        staging = self.warehouse.stage(self.table, [staged], self.run_id)
        try:
            leaving = _column(made.leaving, self.dimension.sk, self.folder / "leaving_keys")
            publication = Publication(
                staging=staging,
                token=before.recorded.token,
                table_state=table_state_after(self.table, before.recorded, [state], [staged]),
                states=[state, *notes],
                leaving=leaving if leaving.rows else None,
                leaving_from=[WHOLE],
                cleared=made.cleared,
            )
            return Committed.of(publication, self.warehouse.publish(publication), began)
        finally:
            self.warehouse.discard(staging)

    def _settle(
        self,
        made: "_Made",
        readers: Sequence[Reader],
        committed: Committed,
        target: str,
        *,
        every: bool,
    ) -> Marks:
        """Mark the days of facts that see something else, and let the dimension count as made."""
        leaving, coming = made.frames()
        marks: dict[str, set[date]] = {}
        for number, reader in enumerate(readers):
            folder = self.folder / f"marks-{number}"
            days = (
                every_day(self.warehouse, reader)
                if every
                else days_that_differ(self.warehouse, reader, leaving, coming, folder)
            )
            marks.setdefault(reader.table.path, set()).update(days)
        (state,) = committed.states
        before = Before.of(self.warehouse, self.table)
        current = before.states.get(WHOLE)
        if current is None or current.load_id != state.load_id:
            return marks  # another run published since, and marks every day itself
        now = datetime.now(UTC)
        notes = [
            note
            for path, days in marks.items()
            for note in readings(
                path, self.table.path, dict.fromkeys(days, state.load_id), self.run_id, now
            )
        ]
        staging = self.warehouse.stage(self.table, [], self.run_id)
        settled = replace(state, made_of=target)
        token = uuid.uuid4().hex
        assert before.table_state is not None  # noqa: S101 - it was published just now
        try:
            self.warehouse.publish(
                Publication(
                    staging=staging,
                    token=before.recorded.token,
                    table_state=replace(before.table_state, load_id=token, updated_at=now),
                    states=[settled, *notes],
                )
            )
        except LostTurn:
            return marks  # the same
        finally:
            self.warehouse.discard(staging)
        return marks


@dataclass(frozen=True)
class _Made:
    """The versions of a run, checked and not published yet."""

    loaded: LoadedDay
    check: DayCheck
    leaving: SpoolFiles
    cleared: Sequence[str]
    keys: int
    unknown_is_new: bool

    @property
    def changes(self) -> bool:
        """Whether any version comes or leaves."""
        return bool(self.check.files.rows or self.leaving.rows)

    def frames(self) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """The versions that leave, and those that come."""
        schema = polars_schema(self.loaded.table.columns)
        return _scanned(self.leaving, schema), _scanned(self.check.files, schema)


def _count_nulls(rows: pl.DataFrame, into: Counter[str]) -> None:
    """Add the nulls of each column."""
    if rows.height:
        into.update(rows.null_count().row(0, named=True))


def _column(files: SpoolFiles, name: str, folder: Path) -> SpoolFiles:
    """One column of spooled rows."""
    taken = SpoolFiles(folder)
    for path in files.files:
        taken.write(pl.read_parquet(path, columns=[name], glob=False))
    taken.close()
    return taken


def _scanned(files: SpoolFiles, schema: pl.Schema) -> pl.LazyFrame:
    if not files.files:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(files.files, schema=schema, glob=False)
