"""Environments of a DuckDB warehouse: a file each, beside production's (`warehouse.dev.duckdb`).

A file of its own, because one that is opened read-only cannot be written to by any mistake.
"""

import re
from pathlib import Path


def file_of(path: Path, name: str) -> Path:
    """The file of an environment; `path` is production's."""
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def names_beside(path: Path) -> list[str]:
    """The environments that have a file beside production's."""
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    pattern = re.compile(rf"{stem}\.([a-z][a-z0-9_]{{0,19}}){suffix}")
    found = path.parent.iterdir() if path.parent.is_dir() else ()
    return sorted(match[1] for one in found if (match := pattern.fullmatch(one.name)))


def remove(path: Path, name: str) -> list[str]:
    """Remove the file of an environment and what lies beside it; the name of the file."""
    target = file_of(path, name)
    for suffix in ("", ".wal", ".lock", ".lock.holder"):
        target.with_name(f"{target.name}{suffix}").unlink(missing_ok=True)
    return [target.name]
