"""Where events come from, by the names that landing knows them by: how each is read and understood.

The shop's own sources are `shop.py`; a package of one's own names others (ETL_EVENT_SOURCES).
Nothing is read here.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.events.transform import Mapper


@dataclass(frozen=True)
class EventSource:
    """A source of events; one that sends webhooks alone has neither `api` nor `drops`.

    `mapper` says what a payload means. `api` is the list that is polled, `drops` the pattern of the
    keys of dropped files (JSON Lines, also packed) in the store of OBJECT_STORE_URL. A file waits
    until it is `settle` old; None is what the store needs (ten seconds in a folder, else nothing).
    """

    name: str
    mapper: Mapper
    api: HttpApi | None = None
    drops: str | None = None
    settle: timedelta | None = None

    @property
    def keys(self) -> KeyPattern | None:
        """The pattern of the keys of its files."""
        return KeyPattern(self.drops) if self.drops else None


def sources_of(settings: Settings) -> Mapping[str, EventSource]:
    """The sources that `SOURCES` of the module of ETL_EVENT_SOURCES lists, by their names.

    Raises ConfigError for a module that cannot be imported or has no such list, and where a name
    stands twice.
    """
    module = settings.event_sources
    try:
        listed = importlib.import_module(module).SOURCES
    except Exception as error:  # whatever a module of the user's does when it is imported
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(
            f"ETL_EVENT_SOURCES names {module}, which has no SOURCES to import ({told}).",
            "Install the module beside etl_assets, or correct the name.",
        ) from None
    return _by_name(listed, module)


def unknown_source(name: str, sources: Iterable[str], looked: str = "") -> ConfigError:
    """The error for a name that is none of the sources.

    `looked` goes on from the name: where else it was looked for.
    """
    return ConfigError(
        f"There is no source of events {name!r}{looked}.",
        f"Sources are {', '.join(sorted(sources))}.",
    )


def mappers_of(sources: Iterable[EventSource]) -> Mapping[str, Mapper]:
    """What payloads mean, by the name of their source."""
    return {source.name: source.mapper for source in sources}


def _by_name(listed: Sequence[object], module: str) -> Mapping[str, EventSource]:
    found: dict[str, EventSource] = {}
    for one in listed:
        if not isinstance(one, EventSource) or one.name in found:
            raise ConfigError(
                f"SOURCES of {module} has "
                + (
                    f"{one.name!r} twice."
                    if isinstance(one, EventSource)
                    else f"a {type(one).__name__}, which is no EventSource."
                ),
                "List each source once, as an EventSource of etl_assets.events.sources.",
            )
        found[one.name] = one
    return found
