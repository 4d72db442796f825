"""A partner that is late, by the real daemon: the check turns red by itself, and green again."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.e2e.browser import open_page
from etl_assets_tests.e2e.dagster_ui import DagsterUI, wait_for
from etl_assets_tests.e2e.test_files_dev import watched
from etl_assets_tests.files.shipments import DAY, in_s3, key, lines
from etl_assets_tests.s3_server import S3Server

# The sensors look once a minute, and the platform takes half a minute to start.
pytestmark = pytest.mark.soak

LAST = date(2024, 6, 1)  # of `watched`
TABLE = """
from dataclasses import replace
from datetime import time

from etl_assets.core.policies import Arrival
from etl_assets_tests.files.shipments import SPEC

TABLE = replace(SPEC, expects=Arrival(time(6), "Europe/Berlin", rows=2))
"""
VERDICT = """{ assetChecksOrError: assetNodeOrError(assetKey: { path: ["raw", "shipments"] }) {
  ... on AssetNode { assetChecksOrError { ... on AssetChecks { checks { name
    executionForLatestMaterialization { status evaluation { success
      metadataEntries { label ... on TextMetadataEntry { text } } } } } } } } } }"""


def verdict(ui: DagsterUI) -> dict[str, Any] | None:
    """The newest evaluation of `arrived`, None before there is one."""
    checks = ui.ask(VERDICT)["assetChecksOrError"]["assetChecksOrError"]["checks"]
    (check,) = [one for one in checks if one["name"] == "arrived"]
    execution = check["executionForLatestMaterialization"]
    found: dict[str, Any] | None = execution and execution["evaluation"]
    return found


def told(ui: DagsterUI, *, success: bool) -> str:
    """What the check says once it has that verdict."""

    def there() -> dict[str, Any] | None:
        found = verdict(ui)
        return found if found and found["success"] is success else None

    found = wait_for(there, 240, f"a check that is {success}, see {ui.log}")
    return " ".join(entry.get("text") or "" for entry in found["metadataEntries"])


def test_a_late_partner_is_red_until_the_file_is_there(
    postgres: EmbeddedPostgres, s3: S3Server, tmp_path: Path
) -> None:
    place = in_s3(s3)
    place.drop(key(DAY, "a.csv"), lines((1, "1.500", "DHL"), (2, "2", "UPS")))
    place.drop(key(LAST, "a.csv"), lines((3, "1", "DHL")))
    with watched(postgres, place, tmp_path, TABLE) as ui, open_page(ui.url) as page:
        late = told(ui, success=False)
        assert f"{LAST} of raw/shipments, due by 06:00 Europe/Berlin," in late
        page.goto("/assets/raw/shipments?view=checks")
        expect(page.get_by_text("arrived").first).to_be_visible()
        page.screenshot(path=str(tmp_path / "late.png"))

        place.drop(key(LAST, "b.csv"), lines((4, "1", "DHL")))
        told(ui, success=True)
        page.reload()
        expect(page.get_by_text("arrived").first).to_be_visible()
        page.screenshot(path=str(tmp_path / "arrived.png"))
