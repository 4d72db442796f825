"""All that may have come is landed: each API is polled, each source's new files are read.

Webhooks land by themselves (`webhook/`). A source that is away costs no other one.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from etl_assets.config import Settings
from etl_assets.core.errors import EtlError
from etl_assets.core.http_connections import variable
from etl_assets.demo import api_use, partner_folder
from etl_assets.events.database import EventsDatabase
from etl_assets.events.drops import Taken, take_files
from etl_assets.events.poll import Polled, poll
from etl_assets.events.sources import EventSource
from etl_assets.sources.factory import Sources
from etl_assets.sources.files.store import open_store
from etl_assets.spool import run_spool


@dataclass(frozen=True)
class Pulled:
    """What one reading of one source landed, or why it could not be read.

    `skipped` says which setting is missing; then nothing was tried.
    """

    source: str
    landed: Polled | Taken | None = None
    skipped: str | None = None
    error: EtlError | None = None

    @property
    def new(self) -> int:
        """How many payloads were landed for the first time."""
        return self.landed.new if self.landed else 0


def pull(
    settings: Settings, database: EventsDatabase, sources: Mapping[str, EventSource]
) -> Iterator[Pulled]:
    """Read each source once.

    An EtlError of one source is in its `Pulled`, and the other sources are read all the same.
    """
    for source in sources.values():
        if source.api is not None:
            yield _tried(_poll, settings, database, source)
        if source.drops is not None:
            yield _tried(_take, settings, database, source)


_Reading = Callable[[Settings, EventsDatabase, EventSource], Pulled]


def _tried(
    reading: _Reading, settings: Settings, database: EventsDatabase, source: EventSource
) -> Pulled:
    try:
        return reading(settings, database, source)
    except EtlError as error:
        return Pulled(source.name, error=error)


def _poll(settings: Settings, database: EventsDatabase, source: EventSource) -> Pulled:
    api = source.api
    assert api is not None  # noqa: S101 - asked by the caller
    is_named = api.connection in settings.http.apis or "://" in api.url
    if not is_named and not api_use.stands_in(settings, api.connection):
        return Pulled(source.name, skipped=variable("url", api.connection))
    with closing(Sources(settings)) as places:
        return Pulled(source.name, poll(database, api, places.client(api), source.name))


def _take(settings: Settings, database: EventsDatabase, source: EventSource) -> Pulled:
    keys = source.keys
    assert keys is not None  # noqa: S101 - asked by the caller
    url = settings.object_store.url
    if not url and partner_folder.is_watched(settings):
        url = partner_folder.partners_folder(settings).as_uri()
    if not url:
        return Pulled(source.name, skipped="OBJECT_STORE_URL")
    store = open_store(settings.object_store, url)
    with run_spool(settings.home, f"drops-{uuid.uuid4().hex}", source.name) as folder:
        return Pulled(
            source.name, take_files(database, store, source.name, keys, folder, source.settle)
        )
