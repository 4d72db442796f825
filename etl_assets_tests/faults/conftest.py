"""A road for every case: a database of its own, and a warehouse of each kind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etl_assets.core.table import LayerTable
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.faults.road import Road
from etl_assets_tests.source_tables import reader_of

Paved = Callable[..., Road]


@pytest.fixture
def pave(backend: Backend, database_url: str, tmp_path: Path) -> Iterator[Paved]:
    """Makes the road of a table, after these statements at the source."""
    warehouse = backend.open(tmp_path)
    with reader_of(database_url) as reader:

        def paved(table: LayerTable, *statements: str) -> Road:
            made = Road(database_url, table, warehouse, tmp_path, reader)
            made.sql(*statements)
            return made

        yield paved
    warehouse.close()
