"""Days that a sync had to leave out, since a check refused them: loaded whole until they are good.

That a day is owed is committed with the position that passed its changes (`syncing.py`), so nothing
is forgotten; each sync tries again, and so may anybody who loads the day by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl_assets.core.reads import DaySource
from etl_assets.core.table import LayerTable
from etl_assets.loading import FailedDay, LoadedDay, load_days
from etl_assets.publishing import publish_days, published_counts
from etl_assets.sync_state import Log, owed_days
from etl_assets.warehouse.base import Warehouse


@dataclass(frozen=True)
class Settled:
    """The owed days that are published now, and those that still are not."""

    good: Sequence[LoadedDay] = ()
    refused: Sequence[LoadedDay | FailedDay] = ()


def settle(
    table: LayerTable, source: DaySource, warehouse: Warehouse, folder: Path, run_id: str
) -> Settled:
    """Load the days that are owed and publish the good ones; nothing where none is.

    Raises what keeps every day from being read or published.
    """
    owed = owed_days(warehouse.look(table))
    if not owed:
        return Settled()
    published = published_counts(warehouse, table)
    loaded = list(load_days(table, source, owed, published, folder, run_id))
    good = [day for day in loaded if isinstance(day, LoadedDay) and day.is_good]
    refused = [day for day in loaded if not (isinstance(day, LoadedDay) and day.is_good)]
    if good:
        publish_days(warehouse, table, good, run_id)
        warehouse.record([Log(table, run_id).owed([day.day for day in refused])])
    return Settled(good, refused)
