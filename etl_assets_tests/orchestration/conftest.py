"""A small shop, its warehouse and a Dagster instance in memory, driven in this process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.new_database import empty_database
from etl_assets_tests.orchestration.shop import DAYS, Shop, open_filled_shop
from etl_assets_tests.orchestration.shop import open_shop as open_shop_at
from etl_assets_tests.source_tables import run

SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A filled shop of which nothing is loaded."""
    with open_shop_at(database_url, tmp_path) as opened:
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


@pytest.fixture
def full_shop(postgres: EmbeddedPostgres, loaded_shop: Shop, tmp_path: Path) -> Iterator[Shop]:
    """A copy of it for the test alone; its instance knows nothing of the load."""
    copied = make_url(loaded_shop.url).database or ""
    # A database that somebody is connected to cannot be copied; the pool connects again.
    run(postgres.url("postgres"), f"{SESSIONS} WHERE datname = '{copied}'")
    shutil.copy(loaded_shop.settings.home / "warehouse.duckdb", tmp_path)
    url, files = empty_database(postgres, "test", copied), loaded_shop.settings.object_store.url
    with open_filled_shop(url, tmp_path, files) as opened:
        yield opened
