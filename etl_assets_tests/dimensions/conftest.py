"""The star of `road.py` on each warehouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.every_backend import BACKENDS
from etl_assets_tests.dimensions.road import World


@pytest.fixture(params=list(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    found = BACKENDS[request.param]
    found.prepare(request, tmp_path)
    yield found
    found.clean(tmp_path)


@pytest.fixture
def world(backend: Backend, tmp_path: Path) -> Iterator[World]:
    warehouse = backend.open(tmp_path)
    yield World(warehouse, tmp_path / "spool")
    warehouse.close()
