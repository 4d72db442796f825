"""Days that a sync had to leave out, since a check refused them: loaded whole until they are good.

That a day is owed is committed with the position that passed its changes (`syncing.py`), so nothing
is forgotten; each sync tries again, and so may anybody who loads the day by hand.
"""

import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.core.errors import LostTurn, StalePublication
from etl_assets.core.partitions import Window
from etl_assets.core.rows import keys_of
from etl_assets.core.state import Happening
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import FailedDay, LoadedDay
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.pipeline.sync_log import Log, owed_days
from etl_assets.sources.base import DaySource
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Look, Warehouse


@dataclass(frozen=True)
class Settled:
    """The owed days that are published now, and those that a check refuses still.

    Other days that were owed wait for the refused ones, which rows of theirs have moved to.
    """

    good: Sequence[LoadedDay] = ()
    refused: Sequence[LoadedDay | FailedDay] = ()


def settle(
    table: LayerTable, source: DaySource, warehouse: Warehouse, folder: Path, run_id: str
) -> Settled:
    """Load the days that are owed and publish the good ones; nothing where none is.

    Where another run is faster with one of them, they are loaded again (L5). Raises what keeps
    every day from being read or published.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StalePublication),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )
    return attempts(_settle, table, source, warehouse, folder, run_id)


def _settle(
    table: LayerTable, source: DaySource, warehouse: Warehouse, folder: Path, run_id: str
) -> Settled:
    before = warehouse.look(table)
    owed = owed_days(before)
    if not owed:
        return Settled()
    published = published_counts(warehouse, table)
    loaded = list(load_days(table, source, owed, published, folder, run_id))
    good = [day for day in loaded if isinstance(day, LoadedDay) and day.is_good]
    refused = [day for day in loaded if not (isinstance(day, LoadedDay) and day.is_good)]
    if good and refused:
        waiting = _waiting(table, warehouse, good, refused, folder / "published")
        good = [day for day in good if day.day not in waiting]
    if good:
        publish_days(warehouse, table, good, run_id)
        left = set(owed) - {day.day for day in good}
        _still_owe(table, warehouse, before, left, run_id)
    return Settled(good, refused)


def _waiting(
    table: LayerTable,
    warehouse: Warehouse,
    good: Sequence[LoadedDay],
    refused: Sequence[LoadedDay | FailedDay],
    folder: Path,
) -> set[date]:
    """The days that a row has left for a refused one: it would be on neither of them."""
    key, parts = list(table.key), [table.column(name) for name in table.key]
    judged = [day for day in refused if isinstance(day, LoadedDay)]
    elsewhere = [_read(day.files, key) for day in judged]
    aside = {
        position
        for day in judged
        for (position,) in _read(day.quarantine, ["source_position"]).iter_rows()
    }
    waiting = set()
    there = warehouse.read(table, [Window.of(day.day) for day in good], folder).frames
    for day, frame in zip(good, there, strict=True):
        left = frame.select(key).collect()
        if day.files.rows:
            left = left.join(_read(day.files, key), on=key, how="anti")
        positions = {f"{day.source} {shown}" for shown in keys_of(left, parts)}
        moved = any(left.join(keys, on=key, how="semi").height for keys in elsewhere if keys.width)
        if moved or positions & aside:
            waiting.add(day.day)
    return waiting


def _read(files: SpoolFiles, columns: Sequence[str]) -> pl.DataFrame:
    """What is spooled of the columns; without any of them where nothing is."""
    if not files.files:
        return pl.DataFrame()
    return pl.read_parquet(files.files, columns=list(columns), glob=False)


def _still_owe(
    table: LayerTable, warehouse: Warehouse, before: Look, days: Collection[date], run_id: str
) -> None:
    """Record the days that are left, unless another run has come to owe more since `before`.

    Then all stay owed, and what is good by now is loaded once more.
    """
    now = warehouse.look(table)
    if now.own is None or now.newest.get(Happening.OWED) != before.newest.get(Happening.OWED):
        return
    own = replace(now.own, load_id=uuid.uuid4().hex, updated_at=datetime.now(UTC))
    with suppress(LostTurn):
        warehouse.move(own, now.own.load_id, [Log(table, run_id).owed(days)])
