"""The versions of a dimension that come and leave in one run, spooled and checked.

Nothing is published here. What is read is `reading.py`, how versions are compared `versions.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from etl_assets.core.as_of import UNKNOWN
from etl_assets.core.contracts import polars_schema
from etl_assets.core.dimension import Dimension
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.frames import ROWS
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.change_plan import SAME_ROW, positions_alike
from etl_assets.pipeline.day_check import DayCheck, Kept, Origin
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.dimensions.deletions import Deletions
from etl_assets.pipeline.dimensions.reading import Wanted, buckets
from etl_assets.pipeline.dimensions.versions import Maker
from etl_assets.pipeline.publish import spooled
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse


@dataclass(frozen=True)
class Made:
    """The versions of a run, checked and not published yet.

    `keys` counts the keys that were made anew, `coming` the versions that are published; `cleared`
    are the positions whose quarantine leaves.
    """

    loaded: LoadedDay
    coming: SpoolFiles
    leaving: SpoolFiles
    cleared: Sequence[str]
    keys: int
    unknown_is_new: bool

    @property
    def changes(self) -> bool:
        """Whether any version comes or leaves."""
        return bool(self.coming.rows or self.leaving.rows)

    def frames(self) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """The versions that leave, and those that come."""
        schema = polars_schema(self.loaded.table.columns)
        return _scanned(self.leaving, schema), _scanned(self.coming, schema)


@dataclass(frozen=True)
class Making:
    """Makes the versions of one run of `table`; `folder` is the run's."""

    warehouse: Warehouse
    table: LayerTable
    dimension: Dimension
    upstream: LayerTable
    before: Before
    folder: Path
    run_id: str

    @property
    def is_first(self) -> bool:
        """Whether the dimension was never published."""
        return self.before.states.get(WHOLE) is None

    def made(
        self, goal: Wanted, gone: Deletions, incomplete: AbstractSet[date], target: str
    ) -> Made:
        """The versions that come and leave.

        `incomplete` are days of the input of which rows are in quarantine, `target` says what the
        dimension is made of (`core/lateness.py`).
        Raises ContractMismatch, and what the warehouse raises.
        """
        now = datetime.now(UTC)
        deletions = gone.ours if self.dimension.closes else None
        days = goal.parts.keys()
        maker = Maker(self.table, self.dimension, self.upstream, days, now, incomplete, deletions)
        origin = Origin(self.upstream.path, now, made_of=target)
        folder = self.folder / "checked"
        check = DayCheck(self.table, WHOLE, origin, folder, self.run_id, holds=True)
        leaving = SpoolFiles(self.folder / "leaving")
        gone_nulls: Counter[str] = Counter()
        keys = 0
        prefixes: set[str] = set()
        renewed = False
        if self.is_first or goal.whole:  # another spec of the unknown member makes all anew
            unknown = self._published_unknown()
            renewed = unknown.height > 0 and maker.differs(unknown)
            if unknown.height == 0 or renewed:
                check.add(maker.unknown())
                leaving.write(unknown)
                _count_nulls(unknown, gone_nulls)
        read = buckets(self.warehouse, self.table, self.upstream, goal, self.folder / "read")
        with closing(read) as found:
            for bucket in () if goal.is_nothing else found:
                step = maker.difference(bucket)
                check.add(step.coming)
                leaving.write(step.leaving)
                check.reject_lines(step.aside)
                _count_nulls(step.leaving, gone_nulls)
                keys += len(step.looked_at)
                prefixes.update(step.looked_at)
        leaving.close()
        self._refuse_collision(check, leaving)
        cleared, aside = self._cleared(check, None if goal.whole else prefixes)
        kept = self._kept(leaving.rows, gone_nulls, aside - check.known)
        loaded = check.finish(Published(), kept=kept)
        return Made(loaded, check.files, leaving, cleared, keys, renewed)

    def _published_unknown(self) -> pl.DataFrame:
        """The unknown member as it is published; no row before the first publication."""
        schema = polars_schema(self.table.columns)
        if self.is_first:
            return pl.DataFrame(schema=schema)
        keys = spooled(self.folder / "unknown_key", pl.DataFrame({self.dimension.sk: [UNKNOWN]}))
        return self.warehouse.lookup(self.table, keys, self.folder / "unknown").collect()

    def _refuse_collision(self, check: DayCheck, leaving: SpoolFiles) -> None:
        """Two versions of one number would be one for every fact that points to it."""
        check.files.close()
        if self.is_first or not check.files.rows:
            return
        sk, schema = self.dimension.sk, polars_schema(self.table.columns)
        gone, coming = _scanned(leaving, schema), _scanned(check.files, schema)
        # What replaces a version has its number, and rightly so.
        new = coming.select(sk).join(gone.select(sk), on=sk, how="anti").unique()
        keys = spooled(self.folder / "new_keys", new.collect(engine="streaming"))
        left = self.warehouse.lookup(self.table, keys, self.folder / "there").head(1).collect()
        if left.height:
            raise ContractMismatch(
                f"Two versions of {self.table.path} have the number {left[sk].item()} as {sk}, "
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

    def _kept(self, leaving: int, gone_nulls: Mapping[str, int], aside: int) -> Kept | None:
        if self.is_first:
            return None
        found = self.warehouse.profile(self.table, [WHOLE]).to_dicts()
        numbers = found[0] if found else {}
        nulls = {
            column.name: numbers.get(column.name, 0) - gone_nulls.get(column.name, 0)
            for column in self.table.columns
            if column.nullable
        }
        rows = numbers.get(ROWS, 0)
        return Kept(rows - leaving, nulls, aside, None, published=rows)


def _count_nulls(rows: pl.DataFrame, into: Counter[str]) -> None:
    """Add the nulls of each column."""
    if rows.height:
        into.update(rows.null_count().row(0, named=True))


def _scanned(files: SpoolFiles, schema: pl.Schema) -> pl.LazyFrame:
    if not files.files:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(files.files, schema=schema, glob=False)
