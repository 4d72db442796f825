"""One round of all that happens to events outside the warehouse: pull, archive, load.

Each part is a module of its own; here stand their order and what a failure of one costs: nothing
of the others.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from etl_assets.config import Settings
from etl_assets.core.errors import EtlError
from etl_assets.events.archive import Archived, archive
from etl_assets.events.database import open_events
from etl_assets.events.load import LoadedEvents, Rules, load_all
from etl_assets.events.pull import Pulled, pull
from etl_assets.events.sources import mappers_of, sources_of
from etl_assets.sources.files.writable import WritableStore


@dataclass(frozen=True)
class Round:
    """What a round came to; `archived` is None where no setting names an archive.

    `errors` are those of the sources and of the archive, in their order.
    """

    pulled: Sequence[Pulled]
    loaded: LoadedEvents
    archived: Archived | None = None
    errors: Sequence[EtlError] = field(default_factory=tuple)


def run_round(settings: Settings) -> Round:
    """Pull each source, archive what landed, load what is pending.

    Raises ConfigError for settings that cannot be, and SourceUnavailable and SourceError of the
    database of events; what was done until then stays.
    """
    sources = sources_of(settings)
    with closing(open_events(settings)) as database:
        database.make_ready()
        pulled = list(pull(settings, database, sources))
        errors = [done.error for done in pulled if done.error]
        archived = None
        if settings.archive_url is not None:
            try:
                store = WritableStore(settings.object_store, settings.archive_url)
                archived = archive(database, store)
            except EtlError as error:
                errors.append(error)
        loaded = load_all(database, Rules(mappers_of(sources.values())))
    return Round(pulled, loaded, archived, errors)
