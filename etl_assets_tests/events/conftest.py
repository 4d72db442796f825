"""A database of events of the test's own, with its tables."""

from collections.abc import Iterator

import pytest

from etl_assets.events.database import EventsDatabase
from etl_assets_tests.events.store import Store


@pytest.fixture
def events(database_url: str) -> Iterator[EventsDatabase]:
    database = EventsDatabase(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def store(database_url: str, events: EventsDatabase) -> Store:
    """The same, with what tests of the loader do with it."""
    return Store(database_url, events)
