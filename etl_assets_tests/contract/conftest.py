"""Fixtures of the suite: every test runs on every backend that can do what it asks."""

from pathlib import Path

import pytest

from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import BACKENDS, Backend


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    found = BACKENDS[request.param]
    reason = found.cannot.get(request.node.originalname)
    if reason:
        pytest.skip(f"{found.name}: {reason}")
    return found


@pytest.fixture
def warehouse(backend: Backend, tmp_path: Path) -> Warehouse:
    """A warehouse that nothing was published to, in the test's folder."""
    return backend.open(tmp_path)
