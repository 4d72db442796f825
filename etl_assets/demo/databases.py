"""The databases of the embedded server: which connection each of them stands in for.

Whether they may be read at all is decided in `marker.py` and `sources/factory.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from etl_assets.config import Settings
from etl_assets.core.source_specs import DEFAULT_CONNECTION, EVENTS_CONNECTION


@dataclass(frozen=True)
class DemoDatabase:
    """A database of the embedded server, and how messages name it."""

    name: str
    shown: str


BILLING: Final = "billing"
"""The connection of the demo's billing system."""

DATABASES: Final[Mapping[str, DemoDatabase]] = {
    DEFAULT_CONNECTION: DemoDatabase("shop", "the embedded demo shop"),
    BILLING: DemoDatabase("billing", "the embedded demo billing system"),
    EVENTS_CONNECTION: DemoDatabase("events", "the embedded database of events"),
}
"""The demo's databases by the connection that they stand in for."""


def own_databases(settings: Settings) -> list[str]:
    """The connections of the demo that have a database of the user's own."""
    urls = {DEFAULT_CONNECTION: settings.database_url, **settings.databases}
    return [name for name in DATABASES if urls.get(name)]
