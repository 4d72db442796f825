"""Fixtures of the suite: every test runs on every backend that can do what it asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.every_backend import BACKENDS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a backend cannot do is not collected for it; `warehouse/limits.py` declares it."""
    items[:] = [item for item in items if not _is_beyond(item)]


def _is_beyond(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    if call is None or "backend" not in call.params:
        return False
    cases = [part for part in call.id.split("-") if part != call.params["backend"]]
    backend = BACKENDS[call.params["backend"]]
    return not backend.can(item.originalname, "-".join(cases))  # type: ignore[attr-defined]


@pytest.fixture
def warehouse(backend: Backend, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse that nothing was published to, belonging to the test's folder."""
    warehouse = backend.open(tmp_path)
    yield warehouse
    warehouse.close()
