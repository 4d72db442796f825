"""A project of one's own: which files it has, what its package may be called, and writing them.

What stands in the files is in `project_files/`; commands and questions are `cli/init.py`.
"""

import importlib.util
import keyword
import re
import shlex
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from etl_assets.core.errors import ConfigError
from etl_assets.scaffold.templates import filled

_DAYS = 30
_OF_PROJECT = ("tests", "build", "dist")
"""Folders that a project has itself, or gets when it is packed."""


def package_name(folder: Path, name: str | None) -> str:
    """The package of a project: the name that was given, or one made of the folder's name.

    Raises ConfigError for a name that Python cannot import, or that hides another package.
    """
    given = name if name is not None else folder.name
    made = re.sub(r"[-\s.]+", "_", given.strip()).lower() if name is None else given
    again = f"etl-assets init {shlex.quote(str(folder))} --name"
    wanted = f"Name the package yourself: {again} {_suggested(given)}."
    if not (made.isascii() and made.isidentifier()):
        raise ConfigError(f"{given!r} is no name of a Python package.", wanted)
    if keyword.iskeyword(made) or keyword.issoftkeyword(made):
        raise ConfigError(f"{made!r} is a word of Python, and no name of a package.", wanted)
    if made.startswith("_"):
        raise ConfigError(f"A package is not called {made!r}: Python takes it for hidden.", wanted)
    if made in _OF_PROJECT:
        raise ConfigError(f"A project has a folder {made!r} for something else.", wanted)
    if (hidden := _hidden_by(made, folder)) is not None:
        raise ConfigError(f"A package {made!r} would hide {hidden}.", wanted)
    return made


def project_texts(package: str, today: date) -> Mapping[str, str]:
    """The files of a new project by their paths, and what is in them."""
    words = {
        "package": package,
        "distribution": package.replace("_", "-"),
        "title": package.replace("_", " ").capitalize(),
        "version": version("etl_assets"),
        "first_day": str(today - timedelta(days=_DAYS)),
    }
    instance = files("etl_assets.orchestration").joinpath("dagster.yaml")
    return {
        "README.md": filled("README.md", **words),
        "pyproject.toml": filled("pyproject.toml", **words),
        "workspace.yaml": filled("workspace.yaml", **words),
        "dagster.yaml": instance.read_text(encoding="utf-8"),
        ".env.example": filled("env", **words),
        ".gitignore": filled("gitignore", **words),
        ".github/workflows/ci.yml": filled("ci.yml", **words),
        f"{package}/__init__.py": filled("package.py", **words),
        f"{package}/definitions.py": filled("definitions.py", **words),
        f"{package}/tables/__init__.py": filled("tables.py", **words),
        f"{package}/tables/schemas.py": filled("example.py", **words),
        "tests/test_contracts.py": filled("test_contracts.py", **words),
    }


def write_project(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files; nothing that is there is overwritten, and after an error nothing is left.

    Raises ConfigError where one of them is there already, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", "Name a folder that is empty or not there yet.")
    there = [path for path in texts if (folder / path).exists() or (folder / path).is_symlink()]
    if there:
        raise ConfigError(
            f"{folder / there[0]} is there already, and nothing is overwritten.",
            "Name a folder that is empty or not there yet.",
        )
    written: list[Path] = []
    try:
        for path, text in texts.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                written.append(file)
                opened.write(text)
    except BaseException as error:
        for file in written:
            file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ConfigError(
                f"{error.filename or folder} cannot be written ({error.strerror}).",
                "Give this user the right to write there, or name another folder.",
            ) from error
        raise


def _hidden_by(package: str, folder: Path) -> str | None:
    """What a package of that name would hide from Python, None for nothing."""
    if package == "etl_assets":
        return "the platform itself"
    if package in sys.stdlib_module_names:
        return f"Python's own module {package}"
    found = importlib.util.find_spec(package)
    places = [found.origin, *(found.submodule_search_locations or [])] if found else []
    elsewhere = [place for place in places if place and not _is_below(Path(place), folder)]
    return f"the installed package {package}" if elsewhere else None


def _is_below(place: Path, folder: Path) -> bool:
    return place.resolve().is_relative_to(folder.resolve())


def _suggested(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", name.lower().encode("ascii", "ignore").decode()).strip("_")
    return f"{words}_tables" if words and not words[0].isdigit() else "my_tables"
