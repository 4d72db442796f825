"""What `doctor` asks BigQuery: answered by the emulator, and by what stands before it."""

from contextlib import closing

import pytest

from etl_assets.config import Settings
from etl_assets.core.errors import EtlError
from etl_assets.core.findings import Level
from etl_assets.warehouse.bigquery import open_bigquery
from etl_assets.warehouse.bigquery.health import _is_elsewhere
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.contract.backends import settings_of
from etl_assets_tests.contract.days import ORDERS


def test_a_service_that_answers_has_its_datasets_and_a_clock(place: Place) -> None:
    warehouse = place.warehouse()
    before, _ = warehouse.health("warehouse x", ["raw", "staged"])
    told = {one.check: one for one in before}
    assert told["connection"].level is Level.OK
    assert "publications make them" in told["datasets"].found
    assert told["jobs"].level is Level.OK
    assert told["maximum_bytes_billed"].level is Level.WARNING
    assert "&maximum_bytes_billed=" in told["maximum_bytes_billed"].next_step
    warehouse.ensure(ORDERS)
    after, skew = warehouse.health("warehouse x", ["raw", "staged"])
    assert "raw" in {one.check: one for one in after}["datasets"].found
    assert skew is not None


def test_a_bound_that_is_set_is_no_warning(place: Place) -> None:
    found, _ = place.warehouse(more="&maximum_bytes_billed=1000000").health("x", ["raw"])
    assert {one.check: one.level for one in found}["maximum_bytes_billed"] is Level.OK


@pytest.mark.parametrize(
    ("place", "wanted", "is_wrong"),
    [("EU", "EU", False), ("eu", "EU", False), ("US", "EU", True), ("US", None, False)],
)
def test_a_dataset_in_another_place_than_the_url_says_is_wrong(
    place: str, wanted: str | None, is_wrong: bool
) -> None:
    """The emulator knows no places."""
    assert _is_elsewhere(place, BigQueryOptions(location=wanted)) is is_wrong


def test_a_service_that_is_away_is_an_error_of_ours(place: Place) -> None:
    settings = Settings(
        home=place.folder, bigquery_emulator_host="127.0.0.1:1", warehouse_wait_seconds=0.2
    )
    url = settings_of(place.folder).warehouse_url or ""
    with (
        closing(open_bigquery(url, settings)) as away,
        pytest.raises(EtlError, match="BigQuery"),
    ):
        away.health("x", ["raw"])
