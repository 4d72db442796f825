"""What all tests share: one embedded PostgreSQL a session, a fresh database a test."""

import uuid
from collections.abc import Iterator

import pytest

from etl_assets.demo.server import EmbeddedPostgres, start_postgres


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
