"""Which files of a package of tables are YAML that may declare some. What is in them is
`documents.py`, which imports more than a command that has no such file should wait for."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FILE: Final = "defs.yaml"
"""What Dagster calls the file of a component: `payments/defs.yaml`."""

_NAMES = (FILE, "defs.yml")


def yaml_files(folder: Path) -> Iterator[Path]:
    """The files that may declare tables below a folder, in their order.

    A folder that is a Python package is one of its own, with tables of its own.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__")) and not Path(place, name, "__init__.py").exists()
        )
        yield from (Path(place, name) for name in _NAMES if name in names)
