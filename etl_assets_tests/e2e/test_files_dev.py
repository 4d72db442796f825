"""Files from an S3 to published days by the real daemon, and what a person sees of it.

`etl-assets dev` runs with tables of a package of one's own; nobody asks for a run but the sensor.
What is published is held against Python's own `csv`.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from etl_assets.config import ObjectStoreSettings, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.e2e.browser import open_page
from etl_assets_tests.e2e.dagster_ui import REPOSITORY, DagsterUI, running_dev, wait_for
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    SPEC,
    THIRD,
    Place,
    Shipments,
    in_s3,
    key,
    lines,
    rows_of,
)
from etl_assets_tests.s3_server import S3Server

# The sensor looks twice a minute, and the platform takes half a minute to start.
pytestmark = pytest.mark.soak

MANY = 2_500
QUIET = "No object is new, changed or gone."
SENSOR = "new_files__shipments"
RUNS = """{ runsOrError(filter: { tags: [{ key: "etl_assets/files", value: "raw/shipments" }] }) {
  ... on Runs { results { status } } } }"""


@contextmanager
def watched(
    postgres: EmbeddedPostgres,
    place: Place,
    folder: Path,
    table: str = "from etl_assets_tests.files.shipments import SPEC as TABLE\n",
) -> Iterator[DagsterUI]:
    """`etl-assets dev` on the place, with a table of a package of one's own."""
    package = folder / "partners_tables"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shipments.py").write_text(table)
    postgres.ensure_database("files_dagster")
    environment = {
        "PYTHONPATH": f"{REPOSITORY}:{folder}",
        "ETL_TABLES": "partners_tables",
        "ETL_HOME": str(folder / "home"),
        "ETL_FIRST_DAY": str(DAY),
        "ETL_LAST_DAY": "2024-06-01",
        "DAGSTER_POSTGRES_URL": postgres.url("files_dagster"),
        **_of_store(place.settings),
    }
    with running_dev(folder, environment) as ui:
        yield ui


def _of_store(settings: ObjectStoreSettings) -> dict[str, str]:
    return {
        "OBJECT_STORE_URL": settings.url or "",
        "OBJECT_STORE_ENDPOINT": settings.endpoint or "",
        **settings.credentials,
    }


def idle_again(ui: DagsterUI) -> None:
    """Wait for a tick that begins after this moment and finds nothing to ask for."""
    before = {tick["id"] for tick in ui.ticks(SENSOR)}

    def quiet() -> dict[str, str] | None:
        newer = [one for one in ui.ticks(SENSOR) if one["id"] not in before]
        return next((one for one in newer if one["skipReason"] == QUIET), None)

    wait_for(quiet, 240, f"a quiet tick, see {ui.log}")


def runs(ui: DagsterUI) -> list[str]:
    """The status of each run that the sensor asked for, when they are over."""

    def over() -> list[str] | None:
        found = [str(one["status"]) for one in ui.ask(RUNS)["runsOrError"]["results"]]
        return found if set(found) <= {"SUCCESS", "FAILURE", "CANCELED"} else None

    ended: list[str] = wait_for(over, 120, f"the end of runs, see {ui.log}")
    return ended


def read_apart(place: Place, day: date, *refused: str) -> list[dict[str, object]]:
    """The rows of the day by Python's own means, without the objects that no one can trust."""
    good = {name: content for name, content in place.held.items() if name not in refused}
    return rows_of(replace(place, held=good), day)


@pytest.fixture
def dropped(s3: S3Server) -> Place:
    """Two days in order, one of 2,500 objects, a file under two keys, and a cut file."""
    place = in_s3(s3)
    place.drop(key(DAY, "a.csv"), lines((1, "1.500", "DHL"), (2, "2", "UPS")))
    place.drop(key(DAY, "cut.csv"), lines((3, "1", "DHL"))[:-1])
    place.drop(key(NEXT, "twice.csv"), lines((4, "", "DHL")))
    place.drop(key(NEXT, "twice again.csv"), lines((4, "", "DHL")))
    for number in range(MANY):
        place.drop(key(THIRD, f"part-{number}.csv"), lines((number + 1, "0.125", "GLS")))
    return place


def test_f1_f2_f4_f6_files_become_days_by_themselves_and_each_is_accounted_for(
    postgres: EmbeddedPostgres, dropped: Place, tmp_path: Path
) -> None:
    cut, first, twice = key(DAY, "cut.csv"), key(DAY, "a.csv"), key(NEXT, "twice.csv")
    settings = Settings(
        home=tmp_path / "home",
        first_day=DAY,
        last_day=date(2024, 6, 1),
        object_store=dropped.settings,
    )
    platform = Platform(settings, given_catalog=Catalog.of([SPEC]))
    with closing(platform), watched(postgres, dropped, tmp_path) as ui, open_page(ui.url) as page:
        shipments = Shipments(dropped, platform, tmp_path)
        idle_again(ui)
        assert sum(entry.rows_published for entry in shipments.ledger().values()) == MANY + 4
        _holds(shipments, cut)

        dropped.drop(key(DAY, "late.csv"), lines((9, "7", "UPS")))
        dropped.drop(twice, lines((4, "9.999", "DHL"), (5, "1", "DHL")))
        dropped.remove(first)
        idle_again(ui)
        _holds(shipments, cut)
        assert runs(ui) == ["SUCCESS", "SUCCESS"], "one run for all days that came together"

        dropped.drop(twice, dropped.held[twice])
        idle_again(ui)
        assert runs(ui) == ["SUCCESS", "SUCCESS"], "the same bytes were loaded again"
        _is_shown(page, tmp_path)


def _holds(shipments: Shipments, cut: str) -> None:
    """Each object is in the ledger as it is, each day is the independent reading."""
    ledger, place = shipments.ledger(), shipments.place
    assert ledger.keys() == place.held.keys()
    for name, entry in ledger.items():
        assert entry.size == len(place.held[name])
        assert entry.status == ("refused" if name == cut else "loaded")
        assert entry.rows_read == entry.rows_published + entry.rows_quarantined
    assert "no line end" in (ledger[cut].error or "")
    for day in (DAY, NEXT, THIRD):
        assert shipments.published(day) == read_apart(place, day, cut)


def _is_shown(page: Page, folder: Path) -> None:
    """The page of the sensor with its ticks, and the page of a day."""
    page.goto(f"/locations/etl_assets/sensors/{SENSOR}")
    expect(page.get_by_text("Running").first).to_be_visible()
    page.screenshot(path=str(folder / "ticks.png"))
    page.get_by_role("button", name="View logs").last.click()
    expect(page.get_by_text(f"Objects: {MANY + 4:,} new.").first).to_be_visible()
    page.screenshot(path=str(folder / "tick.png"))
    page.goto(f"/assets/raw/shipments?view=partitions&partition={DAY}")
    expect(page.get_by_text("Materialized (3)")).to_be_visible()
    expect(page.get_by_text("shipments/2024/05/17/cut.csv").first).to_be_visible()
    page.screenshot(path=str(folder / "partition.png"))
