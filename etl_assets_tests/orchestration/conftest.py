"""A small shop, its warehouse and a Dagster instance in memory, driven in this process."""

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.orchestration.shop import DAYS, Shop, open_filled_shop
from etl_assets_tests.orchestration.shop import open_shop as open_shop_at
from etl_assets_tests.source_tables import run


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A filled shop of which nothing is loaded."""
    with open_shop_at(database_url, tmp_path) as opened:
        yield opened


@dataclass(frozen=True)
class _Loaded:
    """A shop whose every table is loaded: the name of its database, its files and its warehouse."""

    database: str
    files: str
    warehouse: Path


@pytest.fixture(scope="package")
def _loaded(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> _Loaded:
    home = tmp_path_factory.mktemp("copied_shop")
    postgres.ensure_database("copied_shop")
    with open_shop_at(postgres.url("copied_shop"), home) as opened:
        assert opened.load().success
    return _Loaded("copied_shop", (home / "partners").as_uri(), home / "warehouse.duckdb")


@pytest.fixture
def full_shop(postgres: EmbeddedPostgres, _loaded: _Loaded, tmp_path: Path) -> Iterator[Shop]:
    """A shop of the test's own whose every table is loaded; its instance knows nothing of that."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    run(postgres.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {_loaded.database}")
    shutil.copy(_loaded.warehouse, tmp_path)
    with open_filled_shop(postgres.url(name), tmp_path, _loaded.files) as opened:
        yield opened


@pytest.fixture(scope="package")
def loaded_shop(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A shop whose days were all loaded in one run, through every layer; only to be looked at."""
    postgres.ensure_database("loaded_shop")
    home = tmp_path_factory.mktemp("loaded_shop")
    with open_shop_at(postgres.url("loaded_shop"), home) as opened:
        # The second day has a bad order, which is tolerated, and the last one no orders at all.
        opened.sql(
            "UPDATE orders SET status = 'lost' WHERE id = (SELECT min(id) FROM orders "
            f"WHERE created_at::date = '{DAYS[1]}')",
            "DELETE FROM order_items USING orders WHERE order_id = orders.id "
            f"AND orders.created_at::date = '{DAYS[3]}'",
            f"DELETE FROM orders WHERE created_at::date = '{DAYS[3]}'",
        )
        opened.run = opened.load()
        yield opened
