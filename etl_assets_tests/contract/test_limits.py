"""What the backends cannot do, each with its reason: a list that is complete and up to date."""

import importlib
from pathlib import Path

from etl_assets_tests.contract.every_backend import BACKENDS

LIMITS = {
    (backend.name, test): reason
    for backend in BACKENDS.values()
    for test, reason in backend.cannot.items()
}


def test_every_limit_names_a_test_of_the_suite_and_a_reason() -> None:
    modules = [
        importlib.import_module(f"{__package__}.{path.stem}")
        for path in Path(__file__).parent.glob("test_*.py")
    ]
    tests = {name for module in modules for name in vars(module) if name.startswith("test_")}
    for (_, test), reason in LIMITS.items():
        assert test.split("[")[0] in tests
        assert len(reason.split()) > 3


def test_the_limits_are_listed_for_users() -> None:
    page = (Path(__file__).parents[2] / "docs" / "warehouses.md").read_text()
    for (backend, _), reason in LIMITS.items():
        assert f"| {backend} | {reason} |" in page
