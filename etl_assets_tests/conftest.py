"""What all tests share: an embedded PostgreSQL and a BigQuery emulator a session.

Each starts when the first test asks for it; a test makes a database or a dataset of its own there.
"""

import os
import uuid
from collections.abc import Iterator

import pytest

from etl_assets.core.personal import hash_with
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets_tests.bigquery_environment import NoInterpreter
from etl_assets_tests.bigquery_server import EmulatedBigQuery, start_bigquery

hash_with(lambda: b"of the tests")  # personal keys are hashed alike in every run

LONG_ONES_FIRST = ["e2e", "sync", "bigquery_warehouse"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that take minutes come first: at the end, one worker would wait for the other."""
    known = {name: place for place, name in enumerate(LONG_ONES_FIRST)}
    items.sort(key=lambda item: known.get(item.path.parent.name, len(known)))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = start_postgres(tmp_path_factory.mktemp("server") / "postgres")
    yield server
    server.stop(immediately=True)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    return postgres.url(name)


@pytest.fixture(scope="session")
def bigquery_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBigQuery]:
    """Skips the test where no interpreter can run it, but in CI that is a failure."""
    try:
        server = start_bigquery(tmp_path_factory.mktemp("bigquery"))
    except NoInterpreter as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    yield server
    server.stop()
