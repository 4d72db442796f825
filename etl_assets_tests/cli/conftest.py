"""A small shop with two published days of orders, and the commands run on it in this process."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from etl_assets.cli.main import main
from etl_assets.demo.api import demo_api
from etl_assets.demo.billing import fill_billing
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import fill_shop
from etl_assets.table_modules import tables_from
from etl_assets_tests.partner_files import partner_files
from etl_assets_tests.source_tables import carry

OURS = ("ETL_", "DATABASE_", "WAREHOUSE_", "OBJECT_STORE_", "HTTP_API_")
DAYS = [date(2024, 1, 1), date(2024, 1, 2)]


@dataclass(frozen=True)
class Shop:
    """A database and a DuckDB file; `environment` leads the commands there."""

    url: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, **changes: str) -> Result:
        """A command in this process, with none of the caller's own settings."""
        others = {n: None for n in os.environ if n.startswith(OURS)}
        given: dict[str, Any] = {**others, **self.environment, **changes}
        return CliRunner().invoke(main, list(arguments), env=given, catch_exceptions=False)

    def with_environment(self, **changes: str) -> "Shop":
        return replace(self, environment={**self.environment, **changes})


@pytest.fixture(scope="module")
def shop(_published: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The files and the warehouse are the module's own; the database is everybody's."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(_published.folder, folder, dirs_exist_ok=True)
    moved = {
        name: text.replace(str(_published.folder), str(folder))
        for name, text in _published.environment.items()
    }
    return Shop(_published.url, folder, moved)


@pytest.fixture(scope="package")
def _published(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    postgres.ensure_database("cli_small_shop")
    url, folder = postgres.url("cli_small_shop"), tmp_path_factory.mktemp("published_shop")
    fill_shop(url, days=2, orders_a_day=20)
    fill_billing(url, days=2, orders_a_day=20)
    carry(url, tables_from()["raw/orders"], DAYS, folder)
    environment = {
        "DATABASE_URL": url,
        "DATABASE_URL_BILLING": url,
        "OBJECT_STORE_URL": partner_files(folder / "partners", days=2, orders_a_day=20),
        "HTTP_API_URL_SALES": demo_api(),
        "HTTP_API_URL_CRM": demo_api(),
        "WAREHOUSE_URL": f"duckdb://{folder}/warehouse.duckdb",
        "ETL_HOME": str(folder / "home"),
        "ETL_LAST_DAY": "2024-01-02",
    }
    return Shop(url, folder, environment)
