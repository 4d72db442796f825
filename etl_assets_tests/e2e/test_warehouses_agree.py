"""The whole demo gives the same tables in every warehouse, and says so in the same words."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl_assets.config import Settings
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.demo.server import stop_postgres
from etl_assets.table_modules import tables_from
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend, Rows, settings_of
from etl_assets_tests.contract.every_backend import BACKENDS
from etl_assets_tests.e2e.command import Commands

# Two demos take minutes; `contract/test_agreement.py` and `orchestration/test_bigquery.py` are in
# the default run.
pytestmark = pytest.mark.soak

CATALOG = tables_from()

REFERENCE = "duckdb"
OTHERS = sorted(set(BACKENDS) - {REFERENCE})
QUARANTINE = ["table_name", "partition_key", "rule", "source_position", "payload"]


@dataclass(frozen=True)
class Filled:
    """A warehouse that the demo filled, and what the demo printed."""

    backend: Backend
    folder: Path
    out: str
    warehouse: Warehouse

    def rows(self, table: LayerTable) -> pl.DataFrame:
        """The demo's days of a table, or all of it, by key."""
        settings = Settings(home=self.folder).for_demo()
        window = Window(settings.first_day, settings.newest_day())
        if not table.has_days:
            window = Window.of(WHOLE)
        extract = self.warehouse.read(table, [window], self.folder / "reads" / table.path)
        return extract.frames[0].collect().sort(*table.key)

    def state(self) -> list[tuple[object, ...]]:
        """What `etl_state` says of every partition, but for runs and times."""
        return [
            (
                *(state.table_name, state.partition_key),
                *(state.high_watermark, state.watermark_key),
                *(state.row_count, state.source_count, state.quarantined_count),
                *(state.checks_passed, state.checks_failed),
            )
            for state in self.warehouse.state()
        ]

    def quarantine(self) -> Rows:
        """What was set aside, and why."""
        return self.backend.rows(self.folder, "etl", "etl_quarantine", QUARANTINE)


@dataclass
class Demos:
    """One shop, and the warehouses that it was loaded into so far."""

    home: Path
    done: dict[str, Filled] = field(default_factory=dict)

    def run(self, request: pytest.FixtureRequest, name: str) -> Filled:
        """The demo with this backend, once however many tests ask."""
        if name not in self.done:
            self.done[name] = self._filled(request, BACKENDS[name])
        return self.done[name]

    def _filled(self, request: pytest.FixtureRequest, backend: Backend) -> Filled:
        folder = self.home / "warehouses" / backend.name
        folder.mkdir(parents=True)
        backend.prepare(request, folder)
        settings = settings_of(folder)
        environment = {
            "ETL_HOME": str(self.home),
            "WAREHOUSE_URL": settings.warehouse_url or f"duckdb://{folder}/warehouse.duckdb",
            "BIGQUERY_EMULATOR_HOST": settings.bigquery_emulator_host or "",
            "BIGQUERY_STORAGE_EMULATOR_HOST": settings.bigquery_storage_emulator_host or "",
        }
        done = Commands(environment).etl_assets("demo")
        assert done.code == 0, done.err
        return Filled(backend, folder, done.out, backend.open(folder))


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    demos = Demos(tmp_path_factory.mktemp("agree"))
    yield demos
    for filled in demos.done.values():
        filled.warehouse.close()
        filled.backend.clean(filled.folder)
    stop_postgres(demos.home / "postgres")


@pytest.fixture
def reference(request: pytest.FixtureRequest, demos: Demos) -> Filled:
    return demos.run(request, REFERENCE)


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, demos: Demos) -> Filled:
    return demos.run(request, request.param)


@pytest.mark.parametrize("path", CATALOG)
def test_every_table_has_the_same_rows(reference: Filled, other: Filled, path: str) -> None:
    table = CATALOG[path]
    expected = reference.rows(table)
    assert expected.height
    assert_frame_equal(_json_as_values(table, other.rows(table)), _json_as_values(table, expected))


def _json_as_values(table: LayerTable, rows: pl.DataFrame) -> pl.DataFrame:
    """JSON in one form: spaces and the order of keys are the warehouse's own."""

    def same(text: str) -> str:
        return json.dumps(json.loads(text), sort_keys=True)

    names = [column.name for column in table.columns if column.logical == "json"]
    return rows.with_columns(pl.col(names).map_elements(same, pl.String))


def test_state_and_quarantine_are_the_same(reference: Filled, other: Filled) -> None:
    assert other.state() == reference.state()
    assert other.quarantine() == reference.quarantine()
    assert reference.quarantine()


def test_the_demo_prints_the_same_but_for_times(reference: Filled, other: Filled) -> None:
    assert without_times(other.out) == without_times(reference.out)


def without_times(out: str) -> list[str]:
    """Its lines without the progress of the load, the columns `fresh` and `seconds`, and spaces."""
    lines = [" ".join(line.split()) for line in out.splitlines() if not {"━", "─"} & set(line)]
    return [re.sub(r" \d+ (s|min|h) [\d,.]+$", "", line) for line in lines]
