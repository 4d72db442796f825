"""The index of a table whose rows say their day: what is not in it is read, counted and recorded.

What is counted is `row_days.py`; where an index is kept is not known here.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from etl_assets.core.errors import EtlError
from etl_assets.core.file_index import ObjectDays
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.listing import Listing
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.row_days import days_of, on_their_days

_MOST_SECONDS = 10.0
"""How much reading is lost at most with a process that dies, besides the object at hand."""


class FileIndex(Protocol):
    """Where it is kept, of one table. It is a cache: without it everything is read again."""

    def known(self) -> Mapping[str, Sequence[ObjectDays]]:
        """What is kept of each object, by key."""
        ...

    def put(self, gone: Collection[str], found: Mapping[str, ObjectDays]) -> None:
        """Forget what is kept of the objects `gone`, then keep what was found of others, by key."""
        ...


def complete(
    listing: Listing,
    table: LayerTable,
    index: FileIndex,
    count: Callable[[StoredObject], ObjectDays],
) -> tuple[Listing, dict[str, ObjectDays]]:
    """Place all objects on their days; and what is known of each. `count` reads one.

    What is read is recorded on the way, so that another attempt need not read it again. What the
    index has of objects that are not there any more leaves it. Raises what `count` raises.
    """
    kept = index.known()
    known = days_of(listing.unread, kept, table)
    unread = [stored for stored in listing.unread if stored.key not in known]
    there = {stored.key for stored in listing.unread}
    known |= _read(unread, index, kept, kept.keys() - there, count)
    return on_their_days(listing, known), known


def _read(
    unread: Iterable[StoredObject],
    index: FileIndex,
    kept: Collection[str],
    gone: Collection[str],
    count: Callable[[StoredObject], ObjectDays],
) -> dict[str, ObjectDays]:
    found: dict[str, ObjectDays] = {}
    pending: dict[str, ObjectDays] = {}
    leaving = set(gone)

    def record() -> None:
        if pending or leaving:
            index.put(leaving | (pending.keys() & set(kept)), pending)
        found.update(pending)
        pending.clear()
        leaving.clear()

    recorded = time.monotonic()
    for stored in unread:
        try:
            pending[stored.key] = count(stored)
        except EtlError:
            record()
            raise
        if time.monotonic() > recorded + _MOST_SECONDS:
            record()
            recorded = time.monotonic()
    record()
    return found
