"""The backends that the suite runs on, and which tests the limits of each rule out.

How a test gets a warehouse of its own and looks into it past the interface is the backend's module
here. What the tests demand of it stands in the tests.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etl_assets.config import Settings
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.factory import open_warehouse
from etl_assets.warehouse.limits import Limit

Rows = list[tuple[Any, ...]]
_SETTINGS = "warehouse.json"


@dataclass(frozen=True)
class Backend:
    """How to get at a warehouse, past its interface as well.

    `settings` make a warehouse for a test, which may ask for fixtures (a server); they are kept in
    the test's folder, so that `open` works from any process. `rows` are the given columns of a
    dataset's table (`etl`, `etl_quarantine`), sorted; `descriptions` those of a table ("") and its
    columns; `run` executes a statement that an error message recommends; `clean` removes the
    warehouse. All four take the test's folder first. `cannot` maps a test (`test_x`, or
    `test_x[case]`) to the limit of the backend that it is about; `beyond_the_emulator` are tests
    that the service passes, and the program that stands for it here does not.
    """

    name: str
    settings: Callable[[pytest.FixtureRequest, Path], dict[str, Any]]
    rows: Callable[[Path, str, str, Sequence[str]], Rows]
    descriptions: Callable[[Path, LayerTable], Mapping[str, str]]
    run: Callable[[Path, str], None]
    clean: Callable[[Path], None] = lambda _folder: None
    cannot: Mapping[str, Limit] = field(default_factory=dict)
    beyond_the_emulator: frozenset[str] = frozenset()

    def prepare(self, request: pytest.FixtureRequest, folder: Path) -> None:
        """Make a warehouse that belongs to this folder."""
        (folder / _SETTINGS).write_text(json.dumps(self.settings(request, folder)))

    def open(self, folder: Path) -> Warehouse:
        """The warehouse of the folder, from any process."""
        return open_warehouse(settings_of(folder))

    def can(self, test: str, case: str | None) -> bool:
        """Whether the test is for this backend."""
        names = {test, f"{test}[{case}]"}
        return not names & (self.cannot.keys() | self.beyond_the_emulator)


def settings_of(folder: Path) -> Settings:
    """The settings of the folder's warehouse."""
    return Settings(home=folder, **json.loads((folder / _SETTINGS).read_text()))
