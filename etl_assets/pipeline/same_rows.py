"""Parts that were read again and are what is published of them: nothing has to be published.

A part that is published again makes all that is made of it late, so rows are compared before. What
is made by a transform is not compared: it is not even made where nothing changed (`unchanged.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
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
    found = {
        staged.day: state
        for staged in days
        if row is not None
        and (state := known.get(staged.day)) is not None
        and _may_be_same(staged, state)
        and not (table.is_of_files and is_news_of_files(row, state, staged.state))
    }
    fit = warehouse.fit(table) if found else None
    if fit is None or fit.error is not None:
        return {}
    return {
        staged.day: found[staged.day]
        for staged in days
        if staged.day in found and _is_same(warehouse, table, staged)
    }


def is_news_of_files(row: TableState, before: PartitionState, after: PartitionState) -> bool:
    """Whether the ledger has something new to say of a part of a table of files: what became of
    other objects, what other code made of them, or that a forgotten part was loaded again."""
    if forgotten_of(row.reload_reasons.get(after.partition_key, "")):
        return True
    return (before.made_of, before.made_by) != (after.made_of, after.made_by)


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
