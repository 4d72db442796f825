"""Finds the tables of installed packages: a table is a module with a `TABLE`, or a folder with a
`defs.yaml` of the component `etl_assets.SourceTable`.

Nothing has to be entered anywhere. What is wrong with one of them is told in a sentence, and costs
that table and what depends on it, never another one. What the specs are together is
`core/catalog.py`, what YAML may say is `yaml_tables/`; nothing is kept here between two calls.
"""

import importlib
import pkgutil
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from etl_assets.config import SHOP_TABLES
from etl_assets.core.catalog import Catalog
from etl_assets.core.dimension import DimensionSpec
from etl_assets.core.errors import ConfigError, SpecError
from etl_assets.core.placing import Broken, Declared
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Layer, file_of
from etl_assets.yaml_tables.files import yaml_files


def tables_from(packages: Sequence[str] = SHOP_TABLES) -> Catalog:
    """The catalog of every table module in these packages, by their dotted names.

    Raises ConfigError for a package that cannot be imported at all.
    """
    found: list[Declared] = []
    broken: list[Broken] = []
    for package in packages:
        for one in (*map(_declared, _modules_of(package)), *_in_yaml(package)):
            if isinstance(one, Broken):
                broken.append(one)
            elif one is not None:
                found.append(one)
    return Catalog.of(found, broken)


def _modules_of(package: str) -> Iterator[str]:
    try:
        imported = importlib.import_module(package)
    except Exception as error:
        raise ConfigError(
            f"ETL_TABLES names {package}, which cannot be imported ({_told(error, package)}).",
            "Install the package beside etl_assets, or correct the name.",
        ) from None
    if not hasattr(imported, "__path__"):
        raise ConfigError(
            f"ETL_TABLES names {package}, which is a module and not a package.",
            "Name the package that holds the table modules.",
        )
    yield from (f"{package}.{module.name}" for module in pkgutil.iter_modules(imported.__path__))


def _in_yaml(package: str) -> Iterator[Declared | Broken]:
    """What the YAML files of a package declare, and what is wrong with them."""
    for folder in map(Path, importlib.import_module(package).__path__):
        # PyYAML and the models are imported where there is a file only.
        for path in yaml_files(folder):
            from etl_assets.yaml_tables.documents import Wrong, read

            file = path.relative_to(folder).as_posix()
            for one in read(path, file_of(package, file)):
                if isinstance(one, Wrong):
                    name = one.name or path.parent.name
                    yield Broken(one.message, _paths(name))
                else:
                    yield Declared(one, package, file)


def _declared(module: str) -> Declared | Broken | None:
    """The module's spec; what is wrong with it; None for a module without a `TABLE`."""
    try:
        imported: ModuleType = importlib.import_module(module)
    except SpecError as error:
        return _broken(module, str(error), error.table)
    except Exception as error:
        why = f"the module cannot be imported ({_told(error, module)}). Correct it."
        return _broken(module, why)
    spec = getattr(imported, "TABLE", None)
    if spec is None:
        return None
    if not isinstance(spec, TableSpec | EnrichedSpec | DimensionSpec):
        kind = type(spec).__name__
        why = f"TABLE: this is a {kind}. Write a TableSpec, an EnrichedSpec or a DimensionSpec."
        return _broken(module, why)
    return Declared(spec, module)


def _broken(module: str, why: str, name: str | None = None) -> Broken:
    """Where not even the name of its table is known, it is the module's own."""
    name = name or module.rpartition(".")[2]
    return Broken(f"{file_of(module)}: {why}", _paths(name))


def _paths(name: str) -> frozenset[str]:
    return frozenset(f"{layer}/{name}" for layer in Layer)


def _told(error: Exception, module: str) -> str:
    """The error's kind and first line, and the line of the module that it comes from."""
    first = (str(error).splitlines() or [""])[0]
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{name} in line {error.lineno} of {error.filename}: {error.msg}"
    tail = module.replace(".", "/")
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if tail in frame.filename.replace("\\", "/")
    ]
    place = f" in line {lines[-1]}" if lines else ""
    return f"{name}{place}: {first}"
