"""The project file: a `pyproject.toml` with `[tool.etl_assets]` says where a project of one's own
begins, and which packages have its tables.

The environment, which wins over it, is read in `environment.py`.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl_assets.core.errors import ConfigError

FILE = "pyproject.toml"
SECTION = "tool.etl_assets"
PROJECT = "ETL_PROJECT"
"""The variable that names the project's folder, for processes that run elsewhere."""

_KEYS = ("tables", "event_sources")


@dataclass(frozen=True)
class Project:
    """A project's folder, and what its file says in the place of variables, by their names."""

    folder: Path
    variables: Mapping[str, str]

    def make_importable(self) -> None:
        """Let its packages be imported without an installation, as those of a script's folder."""
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))


def find_project(named: str | None, start: Path) -> Project | None:
    """The project of the named folder, else the nearest one at or above `start`, if any.

    Raises ConfigError where the named folder has none, and for a file that cannot be read.
    """
    if named:
        folder = Path(named).resolve()
        found = _project_of(folder)
        if found is None:
            raise ConfigError(
                f"{PROJECT} names {folder}, which has no {FILE} with [{SECTION}].",
                "Name the folder of a project, or unset it.",
            )
        return found
    return next(filter(None, map(_project_of, (start, *start.parents))), None)


def _project_of(folder: Path) -> Project | None:
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # none, or somebody else's
    if SECTION not in text:
        return None
    import tomllib  # where there is no project, no command waits for it

    try:
        section = tomllib.loads(text).get("tool", {}).get("etl_assets")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no TOML: {error}.", "Correct it.") from None
    return None if section is None else Project(folder, _variables(file, section))


def _variables(file: Path, section: Any) -> Mapping[str, str]:
    if not isinstance(section, dict):
        raise ConfigError(f"{file}: {SECTION} is not a table.", f"Write [{SECTION}].")
    unknown = [key for key in section if key not in _KEYS]
    if unknown:
        raise ConfigError(
            f"{file}: [{SECTION}] has no {unknown[0]}.", f"Write {' and '.join(_KEYS)} alone."
        )
    tables = section.get("tables", [])
    tables = [tables] if isinstance(tables, str) else tables
    sources = section.get("event_sources", "")
    for key, names in (("tables", tables), ("event_sources", [sources])):
        if not isinstance(names, list) or not all(_is_module(name) for name in names if name):
            raise ConfigError(
                f"{file}: {key} of [{SECTION}] has what is no name of a package.",
                'Write dotted names, for example ["my_company.tables"].',
            )
    return {
        "ETL_HOME": str(file.parent / ".etl"),
        **({"ETL_TABLES": ",".join(tables)} if tables else {}),
        **({"ETL_EVENT_SOURCES": sources} if sources else {}),
    }


def _is_module(name: object) -> bool:
    return isinstance(name, str) and all(part.isidentifier() for part in name.split("."))
