"""A warehouse on the emulator for each test, directly or through a proxy that breaks things.

The tests marked `bigquery_real` get the real one instead.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from etl_assets.config import Settings
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.bigquery import BigQueryWarehouse, open_bigquery
from etl_assets.warehouse.publication import StagedDay
from etl_assets_tests.bigquery_server import EmulatedBigQuery
from etl_assets_tests.bigquery_warehouse.real import Real, real_session
from etl_assets_tests.contract.backends import settings_of
from etl_assets_tests.contract.days import ORDERS, bring, changes_of, publish, token_of
from etl_assets_tests.contract.on_bigquery import BIGQUERY
from etl_assets_tests.wire.http_proxy import HttpProxy

WAYS = ("replace", "changes")
"""How a day is published: as a load does, or as a sync does whose rows are all new or changed."""


def publish_by(way: str, warehouse: Warehouse, day: StagedDay, table: LayerTable = ORDERS) -> None:
    """Publish a day in one of the WAYS."""
    if way == "replace":
        publish(warehouse, day, table=table)
        return
    folder, token = day.files.folder.parent, token_of(warehouse, table)
    bring(warehouse, changes_of(folder, token, table=table), day, table=table)


@dataclass
class Place:
    """Datasets of one test on the emulator."""

    folder: Path
    server: EmulatedBigQuery
    _open: ExitStack = field(default_factory=ExitStack)

    def warehouse(
        self, *, more: str = "", through: HttpProxy | None = None, wait_seconds: float = 30
    ) -> BigQueryWarehouse:
        """A warehouse of the test's datasets; `more` parameters of its URL; closed afterwards."""
        settings = Settings(
            home=self.folder,
            bigquery_emulator_host=through.host if through else self.server.rest_host,
            bigquery_storage_emulator_host=self.server.grpc_host,
            warehouse_wait_seconds=wait_seconds,
        )
        found = open_bigquery(f"{settings_of(self.folder).warehouse_url}{more}", settings)
        return self._open.enter_context(closing(found))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query; `{p}` in it is the test's dataset prefix."""
        with closing(self.server.client()) as client:
            return [tuple(row.values()) for row in client.query(sql.format(p=self.prefix)).result()]

    @property
    def prefix(self) -> str:
        return (settings_of(self.folder).warehouse_url or "").split("dataset_prefix=")[1]


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path: Path, bigquery_server: EmulatedBigQuery
) -> Iterator[Place]:
    BIGQUERY.prepare(request, tmp_path)
    found = Place(tmp_path, bigquery_server)
    with found._open:
        yield found
    BIGQUERY.clean(tmp_path)


@pytest.fixture(scope="session")
def real_bigquery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with real_session(tmp_path_factory.mktemp("real")) as found:
        yield found


@pytest.fixture
def real(real_bigquery: Real, tmp_path: Path) -> Iterator[Real]:
    with ExitStack() as opened:
        yield replace(real_bigquery, folder=tmp_path, _open=opened)
