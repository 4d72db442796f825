"""Published rows that stay in a part which is loaded whole, although the source no longer has them.

They are put into the part's files beside what was read, so that checks, state and publication know
them. Which tables keep such rows is `core/keeping.py`; how a change of rows keeps them is
`match.py`.
"""

import json
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.frames import ROWS
from etl_assets.core.keeping import keeps, marked
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Deletes
from etl_assets.core.state import Happening, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.day_check import DayCheck
from etl_assets.sources.reads import DayRead
from etl_assets.spool import SpoolFiles, disk_errors
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import Gone

_ROWS_AT_ONCE, _NOT_READ = 50_000, "not-read"


@dataclass(frozen=True)
class KeptRows:
    """Finds the rows of a table that keeps what its source has pruned.

    `loads` are the published loads of its parts when the work began: what another run publishes of
    a part after that is noticed when this one is published.
    """

    table: LayerTable
    warehouse: Warehouse
    loads: Mapping[date, str]

    def keep(self, check: DayCheck, read: DayRead) -> None:
        """Put the part's published rows that the source no longer has into its check.

        All that was read of the part must be there. A row that the source has in any form follows
        the source: one that is set aside, that moved to another day or that belongs to none.
        Raises what the warehouse and the source raise.
        """
        day, as_of = check.day, check.origin.as_of
        if self.table.is_of_files or not keeps(self.table, day, as_of):
            return
        folder = check.files.folder.parent / f"kept-{uuid.uuid4().hex}"
        keys = SpoolFiles(folder / "keys")
        check.files.close()
        if day in self.loads:
            for rows in self._not_read(check, folder):
                there = read.still_there(rows.select(self.table.key))
                gone = rows.join(there, on=list(self.table.key), how="anti", nulls_equal=True)
                check.keep_gone(marked(self.table, gone, as_of), keys)
        keys.close()
        for left in (folder / "in", folder / _NOT_READ):
            shutil.rmtree(left, ignore_errors=True)
        check.kept_gone(Gone(keys, self.loads.get(day)))

    def _not_read(self, check: DayCheck, folder: Path) -> Iterator[pl.DataFrame]:
        """The part's published rows whose key was not read, in bounded frames."""
        key, names = list(self.table.key), [column.name for column in self.table.columns]
        (rows,) = self.warehouse.read(self.table, [Window.of(check.day)], folder / "in").frames
        rows = rows.select(names)
        if check.files.files:
            seen = pl.scan_parquet(check.files.files, glob=False).select(key)
            rows = rows.join(seen, on=key, how="anti", nulls_equal=True)
        path = folder / _NOT_READ / "rows.parquet"
        path.parent.mkdir()
        with disk_errors(folder):
            rows.sink_parquet(path)
        left = pl.scan_parquet(path, glob=False)
        for start in range(0, left.select(pl.len()).collect().item(), _ROWS_AT_ONCE):
            yield left.slice(start, _ROWS_AT_ONCE).collect()


def kept_counts(
    warehouse: Warehouse, tables: Iterable[LayerTable], states: Iterable[PartitionState]
) -> dict[str, int]:
    """How many published rows of each table its source no longer has, as far as that is known.

    Of a table that marks them they are counted; of another that keeps them it is what the last
    reconciliation found. Raises what the warehouse raises.
    """
    days: dict[str, list[date]] = {}
    for state in states:
        days.setdefault(state.table_name, []).append(state.partition_key)
    found = {}
    for table in tables:
        if table.deletes is not Deletes.KEEP or table.path not in days:
            continue
        if table.kept_column:
            found[table.path] = marked_rows(warehouse, table, days[table.path])
        elif told := warehouse.history(table, Happening.RECONCILIATION, 1):
            kept = json.loads(told[0].payload).get("kept")
            found |= {table.path: kept} if kept is not None else {}
    return found


def marked_rows(warehouse: Warehouse, table: LayerTable, days: Collection[date]) -> int:
    """How many rows of the days say that they are gone from the source; 0 without such a mark."""
    if table.kept_column is None or not days:
        return 0
    numbers = warehouse.profile(table, days)
    return int((numbers[ROWS] - numbers[table.kept_column]).sum())
