"""One service for all tests that do not end it."""

import uuid
from collections.abc import Iterator

import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.webhook.service import Service, running, wait_until

BODY_BYTES = 200_000


@pytest.fixture(scope="package")
def service(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    name = f"webhooks_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    home = tmp_path_factory.mktemp("webhook") / "home"
    settings = {"WEBHOOK_BODY_BYTES": str(BODY_BYTES), "WEBHOOK_READ_SECONDS": "1"}
    with running(home, postgres.url(name), **settings) as found:
        wait_until(lambda: [found.landed()])  # its tables are made after it has begun to answer
        yield found
