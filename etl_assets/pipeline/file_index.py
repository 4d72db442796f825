"""The index of a table of files in the warehouse, and a run that brings it up to date.

What it says is `core/file_index.py`; which objects are not in it is found in `sources/files/`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import tenacity

from etl_assets.core.errors import may_pass
from etl_assets.core.file_index import ObjectDays, indexed
from etl_assets.core.table import LayerTable
from etl_assets.sources.base import Source
from etl_assets.sources.files.source import FilesSnapshot

if TYPE_CHECKING:
    from etl_assets.warehouse.base import Warehouse

_ATTEMPTS = 4


class WarehouseIndex:
    """A `FileIndex` in `etl_file_days`; the warehouse is opened when it is asked."""

    def __init__(self, warehouse: "Callable[[], Warehouse]", table: LayerTable) -> None:
        self._warehouse, self._table = warehouse, table

    def known(self) -> Mapping[str, Sequence[ObjectDays]]:
        """See `FileIndex.known`."""
        return indexed(self._warehouse().file_days(self._table))

    def put(self, gone: Collection[str], found: Mapping[str, ObjectDays]) -> None:
        """See `FileIndex.put`."""
        entries = [days.entry(self._table.path, key) for key, days in found.items()]
        self._warehouse().put_file_days(self._table, gone, entries)


def bring_up_to_date(source: Source) -> int:
    """Read and record every object that is not in the index; how many objects there are.

    Where an object changes meanwhile, or the store breaks off, it goes on from a new listing, four
    attempts in all. Raises the source's and the warehouse's errors.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=15),
        reraise=True,
    )
    for attempt in attempts:
        with attempt, source.open() as snapshot:
            assert isinstance(snapshot, FilesSnapshot)  # noqa: S101 - the caller asked
            parts = snapshot.listing.parts.values()
            return len({stored.key for objects in parts for stored in objects})
    return 0
