"""A world for each test: a source of its own, and a warehouse of each kind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.planned.world import SOURCE, Shop, World
from etl_assets_tests.source_tables import run

Built = Callable[..., World]


@pytest.fixture
def build(backend: Backend, database_url: str, tmp_path: Path) -> Iterator[Built]:
    """Makes a world with this code; what it opens is closed after the test."""
    run(database_url, *SOURCE)
    made: list[World] = []

    def built(shop: Shop | None = None, **settings: object) -> World:
        one = World.of(database_url, tmp_path, shop or Shop(), **settings)
        one.opened = made
        made.append(one)
        return one

    yield built
    for one in made:
        one.close()
