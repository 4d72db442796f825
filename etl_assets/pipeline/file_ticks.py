"""A look at the objects of a table of files: the store is listed, the warehouse asked, no row read.

What is listed is planned in `file_watch.py`, which days are late is decided in `file_days.py`.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl_assets.core.errors import ObjectChanged, ObjectGone
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.file_days import FilesLook, Rules, look_at
from etl_assets.pipeline.file_watch import (
    Watch,
    Watched,
    next_listing,
    recent_days,
    times_of,
)
from etl_assets.sources.files.complete import NotComplete, promises_of
from etl_assets.sources.files.declared import files_of
from etl_assets.sources.files.listing import Listing, list_table
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.row_days import days_of, on_their_days
from etl_assets.sources.files.store import ObjectStore

if TYPE_CHECKING:
    from etl_assets.pipeline.platform import Platform


def look_at_all(platform: "Platform", table: LayerTable) -> FilesLook:
    """See `Platform.look_at_files`."""
    store = platform.sources.store(table)
    listing = listing_of(platform, table, store)
    warehouse = platform.warehouse
    states, rules = warehouse.seen.state(table), _rules(platform, table, store)
    return look_at(table, listing, states, lambda: warehouse.seen.ledger(table), rules)


def listing_of(platform: "Platform", table: LayerTable, store: ObjectStore) -> Listing:
    """All objects by their days, as far as they are known; nothing is read."""
    listing = list_table(store, files_of(table), has_days=table.has_days)
    return _by_days(platform, table, listing)


def _by_days(platform: "Platform", table: LayerTable, listing: Listing) -> Listing:
    """The listing with the objects whose rows say their day on the days that the index has."""
    if not listing.unread:
        return listing
    known = days_of(listing.unread, platform.file_index(table).known(), table)
    return on_their_days(listing, known)


def look_at_next(
    platform: "Platform", table: LayerTable, watch: Watch, days: Iterable[date]
) -> tuple[FilesLook, Watched]:
    """See `Platform.watch_files`."""
    store, settings, asked = platform.sources.store(table), platform.settings, list(days)
    warehouse = platform.warehouse
    period = store.SWEEP if settings.files.sweep is None else settings.files.sweep
    recent = recent_days(settings.newest_partition(), settings.files.recent_days)
    watched = next_listing(
        store,
        files_of(table),
        [*asked, *(day for day in recent if platform.scope.has(day))],
        watch,
        times_of(period, settings.files.tick, time.monotonic),
        has_days=table.has_days,
    )
    states, rules = warehouse.seen.state(table), _rules(platform, table, store)
    listing = _by_days(platform, table, watched.listing)
    look = look_at(table, listing, states, lambda: warehouse.seen.ledger(table), rules, also=asked)
    return look, watched


def _rules(platform: "Platform", table: LayerTable, store: ObjectStore) -> Rules:
    """What decides beside objects and states whether a day is loaded."""
    source, newest, scope = files_of(table), platform.settings.newest_partition(), platform.scope

    def waits_for(_day: date, keys: Collection[str], listed: Sequence[StoredObject]) -> str | None:
        try:
            promises_of(store, source, keys, listed)
        except NotComplete as missing:
            return str(missing)
        except (ObjectChanged, ObjectGone):
            return "its manifest is another one than a moment ago"
        return None

    return Rules(
        lambda day: day <= newest and scope.has(day),
        waits_for,
        store.SETTLE if source.settle is None else source.settle,
        platform.forgotten(table),
    )
