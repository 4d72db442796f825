"""PgBouncer in transaction mode before the warehouse: no session, no session's state.

Every transaction may get another one of three connections, used by other clients in between. The
contract's cases run through it as well (`test_pooled_contract.py`).
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import orders, publish, staged, values
from etl_assets_tests.contract.on_postgres import POSTGRES
from etl_assets_tests.contract.test_concurrency import DAYS, rows_of
from etl_assets_tests.missing import lacking
from etl_assets_tests.postgres_warehouse.pgbouncer import (
    PROGRAM,
    SERVER_CONNECTIONS,
    pgbouncer,
    pool_modes,
)
from etl_assets_tests.source_tables import run


@pytest.fixture(scope="module")
def port(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Skips the tests where there is no PgBouncer, but in CI that is a failure."""
    if PROGRAM is None:
        lacking("PgBouncer is not installed", "apt-get install pgbouncer")
    with pgbouncer(postgres, tmp_path_factory.mktemp("pgbouncer")) as port:
        yield port


@pytest.fixture
def pooled_url(port: int, database_url: str) -> str:
    name = database_url.split("/")[3].split("?")[0]
    return f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable"


@pytest.fixture
def backend(pooled_url: str, tmp_path: Path) -> Backend:
    settings = {"warehouse_url": pooled_url, "warehouse_wait_seconds": 30}
    (tmp_path / "warehouse.json").write_text(json.dumps(settings))
    return POSTGRES


@pytest.fixture
def warehouse(backend: Backend, tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = backend.open(tmp_path)
    yield warehouse
    warehouse.close()


def test_it_is_transactions_that_are_pooled(
    warehouse: Warehouse, port: int, database_url: str, tmp_path: Path
) -> None:
    def put(number: int) -> None:
        day = DAYS[number]
        publish(warehouse, staged(tmp_path, orders(rows_of(day), day), day))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    assert pool_modes(port) == {"transaction"}
    assert len(values(warehouse, tmp_path, DAYS[0], DAYS[-1])) == 800
    used = run(
        database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    assert 0 < used[0][0] <= SERVER_CONNECTIONS


def test_nothing_stays_behind_in_a_session(
    warehouse: Warehouse, pooled_url: str, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    values(warehouse, tmp_path)
    for _ in range(SERVER_CONNECTIONS):
        assert run(
            pooled_url,
            "SELECT (SELECT count(*) FROM pg_prepared_statements), "
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), "
            "current_setting('lock_timeout'), current_setting('datestyle'), "
            "(SELECT count(*) FROM pg_class WHERE relpersistence = 't')",
        ) == [(0, 0, "0", "ISO, MDY", 0)]
