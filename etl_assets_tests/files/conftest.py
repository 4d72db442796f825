"""Places where objects are dropped: every test runs on a folder and on an S3."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from etl_assets_tests.files.shipments import Place, Shipments, in_folder, in_s3, open_shipments
from etl_assets_tests.files.ticks import Ticks


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return in_folder(tmp_path / "drop")
    return in_s3(request.getfixturevalue("s3"))


@pytest.fixture
def shipments(place: Place, tmp_path: Path) -> Iterator[Shipments]:
    with open_shipments(place, tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def ticks(shipments: Shipments) -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(shipments, instance)
