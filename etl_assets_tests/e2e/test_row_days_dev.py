"""Rows that say their day by the real daemon: one run reads the objects, others load the days."""

import gzip
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.e2e.test_files_dev import idle_again, runs, watched
from etl_assets_tests.files.by_rows import BY_ROWS, good, held, lines
from etl_assets_tests.files.shipments import DAY, NEXT, THIRD, Shipments, in_s3
from etl_assets_tests.s3_server import S3Server

pytestmark = pytest.mark.soak

TABLE = "from etl_assets_tests.files.by_rows import BY_ROWS as TABLE\n"


def test_f2_objects_of_several_days_become_days_by_themselves(
    postgres: EmbeddedPostgres, s3: S3Server, tmp_path: Path
) -> None:
    place = in_s3(s3)
    bad = ("x", 1, "DHL", DAY)
    place.drop("shipments/a.csv", lines(good(DAY, 1), good(THIRD, 2), bad, good(DAY, 3)))
    place.drop("shipments/b.csv.gz", gzip.compress(lines(good(DAY, 4), good(NEXT, 5))))
    last_day, home = date(2024, 6, 1), tmp_path / "home"
    settings = Settings(home=home, first_day=DAY, last_day=last_day, object_store=place.settings)
    platform = Platform(settings, given_catalog=Catalog.of([BY_ROWS]))
    with closing(platform), watched(postgres, place, tmp_path, TABLE) as ui:
        shipments = Shipments(place, platform, tmp_path)
        idle_again(ui)
        held(shipments)
        # One reads the objects and one loads their days; a busy machine may take several ticks.
        assert set(runs(ui)) == {"SUCCESS"}
        place.drop("shipments/b.csv.gz", gzip.compress(lines(good(DAY, 6), good(THIRD, 7))))
        place.drop("shipments/c.csv", lines(good(NEXT, 8)))
        idle_again(ui)
        held(shipments)
        assert set(runs(ui)) == {"SUCCESS"}
