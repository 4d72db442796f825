"""Where a module and its test are written, and that nothing is ever overwritten."""

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from etl_assets.core.errors import ConfigError

_TESTS = ("tests", "test")


@dataclass(frozen=True)
class Target:
    """A package that holds table modules, by its dotted name and folder; `root` is the folder that
    its first part lies in, `tests` where its tests are written."""

    package: str
    folder: Path
    root: Path
    tests: Path

    @property
    def is_first_party(self) -> bool:
        """Whether etl_assets lies beside the package, and is no installed library to it."""
        return (self.root / "etl_assets" / "core").is_dir()

    def module(self, name: str) -> Path:
        """The file of a table's module."""
        return self.folder / f"{name}.py"

    def test(self, name: str) -> Path:
        """The file of its test."""
        return self.tests / f"test_{name}.py"

    def dotted(self, name: str) -> str:
        """The module as it is imported."""
        return f"{self.package}.{name}"

    def names(self) -> set[str]:
        """The modules that are there."""
        return {path.stem for path in self.folder.iterdir()}


def target_of(package: str, tests: Path | None = None) -> Target:
    """The package to write into; raises ConfigError for what is no package in a folder."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        found = None
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        raise ConfigError(
            f"{package} is no package that can be imported here.",
            "Name the package of your table modules with ETL_TABLES or --into: a folder with an "
            "__init__.py, on the path that Python imports from (etl-assets init makes one).",
        )
    folder = Path(places[0]).resolve()
    root = folder.parents[package.count(".")]
    return Target(package, folder, root, (tests or _tests_of(root)).resolve())


def _tests_of(root: Path) -> Path:
    """The folder of tests of the project that `root` is in; beside the package where it is in
    none."""
    above = (root, *root.parents)
    project = next((place for place in above if (place / "pyproject.toml").exists()), root)
    for place in above[: above.index(project) + 1]:
        for name in (f"{place.name}_tests", "etl_assets_tests", *_TESTS):
            if (place / name).is_dir():
                return place / name
    return project / "tests"


def write(target: Target, name: str, module: str, test: str) -> tuple[Path, Path | None]:
    """Write both, and say where; the test is left out where one of its name is there already.

    Raises ConfigError for a module that is there: nothing is overwritten.
    """
    path = target.module(name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(module)
    except FileExistsError:
        raise ConfigError(f"{path} is there already.", overwriting(path)) from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}).",
            "Name another package with --into, or give yourself the right to write there.",
        ) from None
    importlib.invalidate_caches()
    try:
        target.tests.mkdir(parents=True, exist_ok=True)
        with target.test(name).open("x", encoding="utf-8") as file:
            file.write(test)
    except FileExistsError:
        return path, None
    except OSError as error:
        raise ConfigError(
            f"{path} is written, but its test {target.test(name)} is not ({error.strerror}).",
            "Name a folder that can be written with --tests.",
        ) from None
    return path, target.test(name)


def overwriting(path: Path) -> str:
    """How to replace a module that is there."""
    return (
        "Nothing is overwritten: give the table another name with --as, or remove that file first "
        f"(rm {path}) and add the table again. --dry-run prints what would be written."
    )
