"""Parts that were read again and are what is published of them: nothing has to be published.

A part that is published again makes all that is made of it late, so rows are compared before. What
is made by a transform is not compared: it is not even made where nothing changed (`unchanged.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl

from etl_assets.core.json_objects import json_value
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Deletes
from etl_assets.core.reload_reasons import forgotten_of
from etl_assets.core.state import PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import StagedDay

_BECAME = (
    "object_key",
    "identity",
    "status",
    "error",
    "rows_read",
    "rows_published",
    "rows_quarantined",
)
"""What the ledger says of an object, but for when and by which run."""
_ASIDE = ("rule", "source_position", "payload")


def same_parts(
    warehouse: Warehouse, table: LayerTable, days: Sequence[StagedDay]
) -> Mapping[date, PartitionState]:
    """The parts whose rows and quarantined rows are those that are published, with the states that
    they were compared by. Only numbers are compared first, so a part that changed costs little.

    Only of tables that are read from a source and have days, and of none that keeps rows that are
    gone: what is kept is marked with the moment of the load. Raises what the warehouse raises.
    """
    if table.source is None or not table.has_days or table.deletes is Deletes.KEEP:
        return {}
    known = {state.partition_key: state for state in warehouse.state(table)}
    row = warehouse.table_state(table) if known else None
    news = NewsOfFiles(warehouse, table)
    found = {
        staged.day: state
        for staged in days
        if row is not None
        and (state := known.get(staged.day)) is not None
        and _may_be_same(staged, state)
        and not (table.is_of_files and news.found(row, state, staged))
    }
    fit = warehouse.fit(table) if found else None
    if fit is None or fit.error is not None:
        return {}
    return {
        staged.day: found[staged.day]
        for staged in days
        if staged.day in found and _is_same(warehouse, table, staged)
    }


class NewsOfFiles:
    """Whether the ledger has something new to say of parts of a table of files."""

    def __init__(self, warehouse: Warehouse, table: LayerTable) -> None:
        self.warehouse, self.table = warehouse, table

    def found(self, row: TableState, before: PartitionState, staged: StagedDay) -> bool:
        """Whether the part is of other objects, other code made something else of them, or it was
        forgotten and is loaded again. `before` is its published state.

        Of what a release before version 10 published the code is not known: the ledger tells.
        """
        after = staged.state
        if forgotten_of(row.reload_reasons.get(staged.day, "")) or before.made_of != after.made_of:
            return True
        if before.made_by == after.made_by:
            return False
        return self._published.get(staged.day, []) != _became(staged)

    @cached_property
    def _published(self) -> Mapping[date, list[tuple[object, ...]]]:
        by_part: dict[date, list[tuple[object, ...]]] = {}
        for entry in self.warehouse.ledger(self.table):
            told = tuple(getattr(entry, name) for name in _BECAME)
            by_part.setdefault(entry.partition_key, []).append(told)
        return {part: sorted(entries, key=repr) for part, entries in by_part.items()}


def _became(staged: StagedDay) -> list[tuple[object, ...]]:
    files = staged.ledger.files if staged.ledger else ()
    if not files:
        return []
    return sorted(
        pl.read_parquet(files, columns=list(_BECAME), glob=False).select(_BECAME).rows(), key=repr
    )


def _may_be_same(staged: StagedDay, state: PartitionState) -> bool:
    new = staged.state
    counts = (new.row_count, new.quarantined_count, new.high_watermark)
    return counts == (state.row_count, state.quarantined_count, state.high_watermark)


def _is_same(warehouse: Warehouse, table: LayerTable, staged: StagedDay) -> bool:
    names = [column.name for column in table.columns]
    folder = staged.files.folder.with_name(f"{staged.files.folder.name}-published")
    there = warehouse.read(table, [Window.of(staged.day)], folder / "read").frames[0]
    json_columns = [column.name for column in table.columns if column.logical == "json"]
    ours = _spooled(there.select(names), json_columns, folder / "there")
    theirs = staged.files
    if json_columns and theirs.files:
        read = pl.scan_parquet(theirs.files, glob=False).select(names)
        theirs = _spooled(read, json_columns, folder / "loaded")
    return ours.content(names) == theirs.content(names) and _aside(staged) == _published_aside(
        warehouse, table, staged.day
    )


def _spooled(frame: pl.LazyFrame, json_columns: Sequence[str], folder: Path) -> SpoolFiles:
    """The rows as the spool writes them; JSON by its value, which warehouses write differently."""
    files = SpoolFiles(folder)
    by_value = [
        pl.col(name).map_elements(json_value, return_dtype=pl.String()) for name in json_columns
    ]
    for piece in frame.collect_batches():
        files.write(piece.with_columns(by_value))
    files.close()
    return files


def _aside(staged: StagedDay) -> list[tuple[str, ...]]:
    files = staged.quarantine.files
    if not files:
        return []
    return sorted(pl.read_parquet(files, columns=list(_ASIDE), glob=False).select(_ASIDE).rows())


def _published_aside(warehouse: Warehouse, table: LayerTable, day: date) -> list[tuple[str, ...]]:
    return sorted(warehouse.quarantined(table, days=[day]).select(_ASIDE).rows())
