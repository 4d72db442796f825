"""What is remembered of the fields of a table is kept by part, on every warehouse."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from etl_assets.core.field_profile import profile
from etl_assets.core.field_register import FieldPart, parts_of
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.backends import Backend, settings_of
from etl_assets_tests.contract.days import DAY, NEXT, ORDERS, orders, publish, staged

pytestmark = pytest.mark.thorough_for("bigquery")

OTHER = replace(ORDERS, name="other")
MOMENT = datetime(2024, 5, 17, 8, 30, 0, 123456, tzinfo=UTC)
ODD = '{"": 1, "a \'b\\" %ü\\n": null, "x": {"y": 1}, "a.b": [1]}'


def parts(day: date, *texts: str, load_id: str = "load-1", table: str = "") -> list[FieldPart]:
    counts = profile(pl.Series(texts), MOMENT)
    found = parts_of(ORDERS, "custom", day, load_id, counts)
    return [replace(part, table_name=table or ORDERS.path) for part in found]


def kept(warehouse: Warehouse) -> set[FieldPart]:
    found = warehouse.fields(ORDERS)
    assert len(set(found)) == len(found)
    return set(found)


@pytest.mark.soak_for("bigquery")
def test_fields_are_read_as_they_were_put(warehouse: Warehouse) -> None:
    assert warehouse.fields(ORDERS) == []
    timeless = [replace(part, first_seen=None, last_seen=None) for part in parts(NEXT, ODD)]
    warehouse.put_fields(ORDERS, [DAY, NEXT], [*parts(DAY, ODD), *timeless])
    assert kept(warehouse) == {*parts(DAY, ODD), *timeless}
    assert [p.field for p in warehouse.fields(ORDERS)][:2] == [None, ""], "the column comes first"
    assert warehouse.fields(OTHER) == []


def test_what_is_put_replaces_these_parts_of_this_table_alone(warehouse: Warehouse) -> None:
    elsewhere = parts(DAY, ODD, table=OTHER.path)
    warehouse.put_fields(OTHER, [DAY], elsewhere)
    warehouse.put_fields(ORDERS, [DAY, NEXT], [*parts(DAY, ODD), *parts(NEXT, ODD)])
    changed = parts(DAY, '{"z": true}', load_id="load-2")
    warehouse.put_fields(ORDERS, [DAY], changed)
    assert kept(warehouse) == {*changed, *parts(NEXT, ODD)}
    assert set(warehouse.fields(OTHER)) == set(elsewhere)


@pytest.mark.soak_for("bigquery")  # its own `test_upgrade.py` has others
def test_a_warehouse_of_version_6_gains_the_register_and_loses_nothing(
    backend: Backend, warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    before = warehouse.table_states(), warehouse.state()
    parameters = parse_qs(urlsplit(settings_of(tmp_path).warehouse_url or "").query)
    etl = f"{parameters.get('dataset_prefix', [''])[0]}etl"
    backend.run(tmp_path, f"DROP TABLE {etl}.etl_fields")
    backend.run(tmp_path, f"UPDATE {etl}.etl_schema SET version = 6 WHERE TRUE")
    warehouse.close()
    with closing(backend.open(tmp_path)) as newer:
        assert newer.fields(ORDERS) == []
        told = newer.migrate()
        assert told.startswith(f"Migrated the platform's tables from version 6 to {SCHEMA_VERSION}")
        assert "New: etl_fields, " in told
        assert (newer.table_states(), newer.state()) == before
        newer.put_fields(ORDERS, [DAY], parts(DAY, ODD))
        assert kept(newer) == set(parts(DAY, ODD))
