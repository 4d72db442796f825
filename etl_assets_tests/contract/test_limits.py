"""What the backends cannot do: declared in the product, listed for users, and tested."""

import importlib
from pathlib import Path

import pytest

from etl_assets.config import Settings
from etl_assets.warehouse.limits import limits
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.every_backend import BACKENDS

URLS = {"duckdb": None, "bigquery": "bigquery://p", "postgres": "postgresql://h/d"}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


def test_every_test_that_a_backend_is_spared_is_of_the_suite(backend: Backend) -> None:
    modules = [
        importlib.import_module(f"{__package__}.{path.stem}")
        for path in Path(__file__).parent.glob("test_*.py")
    ]
    tests = {name for module in modules for name in vars(module) if name.startswith("test_")}
    for test in [*backend.cannot, *backend.beyond_the_emulator]:
        assert test.split("[")[0] in tests


def test_a_backend_is_spared_only_for_a_limit_that_the_product_declares(
    backend: Backend, tmp_path: Path
) -> None:
    declared = limits(Settings(home=tmp_path, warehouse_url=URLS[backend.name]))
    assert set(backend.cannot.values()) <= set(declared)


def test_the_limits_are_listed_for_users(backend: Backend, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "warehouses.md").read_text()
    declared = limits(Settings(home=tmp_path, warehouse_url=URLS[backend.name]))
    assert declared
    for limit, reason in declared.items():
        assert f"| {backend.name} | {limit} | {reason} |" in page


def test_a_url_that_names_no_warehouse_has_no_limits(tmp_path: Path) -> None:
    assert not limits(Settings(home=tmp_path, warehouse_url="mysql://h/d"))
