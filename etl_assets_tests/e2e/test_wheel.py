"""What is in the wheel: every file of the package that it needs, and what it asks for."""

import ast
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

from etl_assets.core import extras
from etl_assets_tests.e2e.command import REPOSITORY
from etl_assets_tests.e2e.wheel import build

NOT_PACKED = {".pyc"}
NAMESPACES = {"google"}  # several packages share it, and their metadata do not say who has what
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def packed(built: tuple[Path, Path]) -> Mapping[str, bytes]:
    with zipfile.ZipFile(built[0]) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def files_of_package() -> set[str]:
    return {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "etl_assets").rglob("*")
        if path.is_file() and path.suffix not in NOT_PACKED
    }


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(
    packed: Mapping[str, bytes],
) -> None:
    found = {name for name in packed if ".dist-info/" not in name}
    assert found == files_of_package()
    assert "etl_assets/py.typed" in found
    assert packed["etl_assets/orchestration/dagster.yaml"].startswith(b"# Dagster's instance")


def test_the_sdist_has_the_same(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert files_of_package() <= names
    assert not [name for name in names if name.startswith("etl_assets_tests")]


def test_it_declares_its_extras_its_command_and_its_component(packed: Mapping[str, bytes]) -> None:
    (metadata,) = [text for name, text in packed.items() if name.endswith(".dist-info/METADATA")]
    told = message_from_bytes(metadata)
    assert {"bigquery", "postgres", "files", "demo"} <= set(told.get_all("Provides-Extra") or [])
    assert "://" not in "".join(told.get_all("Requires-Dist") or [])
    (points,) = [t for name, t in packed.items() if name.endswith("entry_points.txt")]
    assert b"etl-assets = etl_assets.cli.main:main" in points
    assert b"[dagster_dg_cli.registry_modules]\netl_assets = etl_assets" in points


def imported() -> Iterator[tuple[str, str]]:
    """The modules that files of the package import, wherever in them, each with the file."""
    for path in sorted((REPOSITORY / "etl_assets").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((one.name, str(path)) for one in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module
                yield node.module, str(path)
                yield from ((f"{node.module}.{one.name}", str(path)) for one in node.names)


def test_whatever_the_package_imports_is_asked_for_and_not_only_brought_by_others() -> None:
    """numpy came with pandas, which only the tests install: what a wheel asks for had none."""
    asked = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    names = {re.split(r"[\[>=<]", one)[0].lower().replace("_", "-") for one in asked}
    packages = packages_distributions()
    missing = {}
    for module, path in imported():
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "etl_assets" or top in NAMESPACES:
            continue
        brought = {one.lower().replace("_", "-") for one in packages.get(top, [top])}
        if not brought & names:
            missing[module] = path
    assert missing == {}


def test_what_an_extra_brings_is_told_by_its_name_and_not_installed_by_default() -> None:
    named = {
        extra: {re.split(r"[\[>=<]", one)[0].replace("-", "_") for one in asked}
        for extra, asked in PROJECT["optional-dependencies"].items()
    }
    default = {re.split(r"[\[>=<]", one)[0].replace("-", "_") for one in PROJECT["dependencies"]}
    for package, extra in extras._EXTRAS.items():
        brought = {one for one in named[extra] if one == package or one.startswith(f"{package}_")}
        assert brought, f"{extra} does not bring {package}"
        assert not brought & default
