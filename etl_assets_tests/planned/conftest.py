"""A world for each test: a source of its own, and a warehouse of each kind."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.new_database import empty_database
from etl_assets_tests.planned.world import SOURCE, Shop, World
from etl_assets_tests.source_tables import run

Built = Callable[..., World]


@dataclass
class Kept:
    """The default shop with all of it loaded, to be copied: its database and its DuckDB file."""

    file: Path
    database: str | None = None


@pytest.fixture(scope="package")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("planned") / "warehouse.duckdb")


@pytest.fixture
def opened() -> Iterator[list[World]]:
    """The worlds of a test, which are closed after it."""
    worlds: list[World] = []
    yield worlds
    for one in worlds:
        one.close()


@pytest.fixture
def build(
    backend: Backend, postgres: EmbeddedPostgres, opened: list[World], tmp_path: Path
) -> Built:
    """Makes a world with this code, in which nothing was loaded yet."""

    def built(shop: Shop | None = None, **settings: object) -> World:
        url = empty_database(postgres, "test")
        run(url, *SOURCE)
        return _opened(World.of(url, tmp_path, shop or Shop(), **settings), opened)

    return built


@pytest.fixture
def load(
    build: Built,
    backend: Backend,
    postgres: EmbeddedPostgres,
    kept: Kept,
    opened: list[World],
    tmp_path: Path,
) -> Built:
    """Makes a world with this code in which all was loaded; of the default shop on DuckDB a copy of
    the one that the first test loaded."""

    def loaded(shop: Shop | None = None, **settings: object) -> World:
        is_default = (
            backend.name == "duckdb" and shop in (None, DEFAULT) and not any(settings.values())
        )
        file = tmp_path / "warehouse.duckdb"
        if is_default and kept.database:
            shutil.copy(kept.file, file)
            url = empty_database(postgres, "test", template=kept.database)
            return _opened(World.of(url, tmp_path, DEFAULT), opened)
        world = build(shop, **settings)
        assert world.load_all() == {}
        if is_default:
            world.platform.close()
            copied = empty_database(postgres, "kept", template=_name(world.url))
            kept.database = _name(copied)
            shutil.copy(file, kept.file)
        return world

    return loaded


DEFAULT = Shop()


def _opened(world: World, opened: list[World]) -> World:
    world.opened = opened
    opened.append(world)
    return world


def _name(url: str) -> str:
    return make_url(url).database or ""
