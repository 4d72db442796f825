"""The index of files says of which days each object has rows, for each content of it."""

from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from etl_assets.core.file_index import ObjectDays, indexed
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.backends import Backend, settings_of
from etl_assets_tests.contract.days import DAY, NEXT, ORDERS, orders, publish, staged

pytestmark = pytest.mark.thorough_for("bigquery")

OTHER = replace(ORDERS, name="other")
ODD = "a b/%2F/'quoted\"/\n../ü.csv"
TWO_DAYS = ObjectDays("etag:7", "csv", {DAY: 2, NEXT: 3}, 1)
NO_DAY = ObjectDays("etag:0", "csv")


def put(warehouse: Warehouse, found: dict[str, ObjectDays], *gone: str) -> None:
    entries = [days.entry(ORDERS.path, key) for key, days in found.items()]
    warehouse.put_file_days(ORDERS, gone, entries)


@pytest.mark.soak_for("bigquery")
def test_what_is_put_into_the_index_is_read_from_it(warehouse: Warehouse) -> None:
    assert warehouse.file_days(ORDERS) == []
    put(warehouse, {"a.csv": TWO_DAYS, ODD: NO_DAY})
    assert indexed(warehouse.file_days(ORDERS)) == {"a.csv": [TWO_DAYS], ODD: [NO_DAY]}
    assert warehouse.file_days(OTHER) == []


def test_an_object_that_is_put_again_replaces_itself_alone(warehouse: Warehouse) -> None:
    elsewhere = [TWO_DAYS.entry(OTHER.path, "a.csv")]
    warehouse.put_file_days(OTHER, (), elsewhere)
    put(warehouse, {"a.csv": TWO_DAYS, "b.csv": TWO_DAYS, ODD: NO_DAY})
    changed = replace(TWO_DAYS, identity="etag:8", rows={NEXT: 1})
    put(warehouse, {"a.csv": changed}, "a.csv", ODD, "nobody's")
    assert indexed(warehouse.file_days(ORDERS)) == {"a.csv": [changed], "b.csv": [TWO_DAYS]}
    assert warehouse.file_days(OTHER) == elsewhere


def test_what_two_runs_put_at_once_counts_once(warehouse: Warehouse) -> None:
    put(warehouse, {"a.csv": TWO_DAYS})
    put(warehouse, {"a.csv": TWO_DAYS})
    assert indexed(warehouse.file_days(ORDERS)) == {"a.csv": [TWO_DAYS]}


def test_more_objects_and_days_than_a_statement_takes_are_put_as_well(warehouse: Warehouse) -> None:
    days = {date.fromordinal(DAY.toordinal() + n): n + 1 for n in range(40_000)}
    found = {f"{n:04d}.csv": replace(TWO_DAYS, identity=f"etag:{n}") for n in range(1_200)}
    found["0000.csv"] = found["0900.csv"] = ObjectDays("etag:1", "csv", days)
    put(warehouse, found)
    assert indexed(warehouse.file_days(ORDERS)) == {key: [of] for key, of in found.items()}


def test_records_without_a_day_belong_to_the_day_of_most_rows() -> None:
    assert TWO_DAYS.home == NEXT
    assert replace(TWO_DAYS, rows={NEXT: 2, DAY: 2}).home == DAY, "the earliest of several"
    assert NO_DAY.home is None


@pytest.mark.soak_for("bigquery")  # its own `test_upgrade.py` has others
def test_a_warehouse_of_version_5_gains_an_index_and_loses_nothing(
    backend: Backend, warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    before = warehouse.table_states(), warehouse.state(), warehouse.ledger(ORDERS)
    parameters = parse_qs(urlsplit(settings_of(tmp_path).warehouse_url or "").query)
    etl = f"{parameters.get('dataset_prefix', [''])[0]}etl"
    backend.run(tmp_path, f"DROP TABLE {etl}.etl_file_days")
    backend.run(tmp_path, f"UPDATE {etl}.etl_schema SET version = 5 WHERE TRUE")
    warehouse.close()
    with closing(backend.open(tmp_path)) as newer:
        assert newer.file_days(ORDERS) == []
        told = newer.migrate()
        assert told.startswith(f"Migrated the platform's tables from version 5 to {SCHEMA_VERSION}")
        assert "New: etl_file_days, " in told
        assert (newer.table_states(), newer.state(), newer.ledger(ORDERS)) == before
        put(newer, {"a.csv": TWO_DAYS})
        assert indexed(newer.file_days(ORDERS)) == {"a.csv": [TWO_DAYS]}
