"""The ledger of files is published with the parts that were made of them, and with nothing else."""

from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from etl_assets.core.errors import EtlError
from etl_assets.core.ledger import FileStatus, LedgerEntry, ledger_frame
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import StagedDay
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.backends import Backend, settings_of
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    orders,
    publish,
    spooled,
    staged,
    values,
)

pytestmark = pytest.mark.thorough_for("bigquery")

OTHER = replace(ORDERS, name="other")
ODD = "a b/%2F/'quoted\"/\n../ü.csv"


def entry(key: str, day: date = DAY, *, table: str = ORDERS.path, **changed: object) -> LedgerEntry:
    found = LedgerEntry(
        table_name=table,
        partition_key=day,
        object_key=key,
        identity='"d41d8cd9-2"',
        size=2**40,
        modified=AS_OF,
        status=FileStatus.LOADED,
        error=None,
        rows_read=3,
        rows_published=2,
        rows_quarantined=1,
        first_seen=AS_OF,
        last_seen=AS_OF,
        run_id="run-1",
    )
    return replace(found, **changed)  # type: ignore[arg-type]


def made_of(folder: Path, day: StagedDay, *entries: LedgerEntry) -> StagedDay:
    return replace(day, ledger=spooled(folder, ledger_frame(entries)))


@pytest.mark.soak_for("bigquery")
def test_a_part_is_published_with_the_objects_it_was_made_of(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert warehouse.ledger(ORDERS) == []
    first, odd = entry("a.csv"), entry(ODD)
    broken = entry("b.csv", status=FileStatus.REFUSED, error="is cut", rows_published=0)
    publish(warehouse, made_of(tmp_path, staged(tmp_path, orders({1: "one"})), first, broken, odd))
    assert warehouse.ledger(ORDERS) == sorted([first, broken, odd], key=lambda e: e.object_key)
    assert warehouse.ledger(OTHER) == []


def test_a_replacement_replaces_the_ledger_of_its_parts_and_of_no_other(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(
        warehouse,
        made_of(tmp_path, staged(tmp_path, orders({1: "one"})), entry("a.csv"), entry("b.csv")),
        made_of(tmp_path, staged(tmp_path, orders({2: "two"}, NEXT), NEXT), entry("c.csv", NEXT)),
    )
    elsewhere = entry("z.csv", table=OTHER.path)
    other = staged(tmp_path, orders({7: "x"}), table=OTHER)
    publish(warehouse, made_of(tmp_path, other, elsewhere), table=OTHER)
    again = entry("a.csv", identity="changed", run_id="run-2")
    day = staged(tmp_path, orders({1: "changed"}), run_id="run-2")
    publish(warehouse, made_of(tmp_path, day, again))
    assert warehouse.ledger(ORDERS) == [again, entry("c.csv", NEXT)]
    assert warehouse.ledger(OTHER) == [elsewhere]
    gone = staged(tmp_path, orders({}), run_id="run-3")
    publish(warehouse, made_of(tmp_path, gone))
    assert warehouse.ledger(ORDERS) == [entry("c.csv", NEXT)]


@pytest.mark.soak_for("bigquery")
def test_l2_a_publication_that_breaks_in_the_middle_leaves_the_ledger(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, made_of(tmp_path, staged(tmp_path, orders({1: "one"})), entry("a.csv")))
    day = made_of(tmp_path, staged(tmp_path, orders({1: "two"}), run_id="run-2"), entry("b.csv"))
    assert day.ledger is not None
    day.ledger.files[0].write_bytes(b"no Parquet")
    with pytest.raises(EtlError):
        publish(warehouse, day)
    assert values(warehouse, tmp_path) == {1: "one"}
    assert warehouse.ledger(ORDERS) == [entry("a.csv")]


@pytest.mark.soak_for("bigquery")
def test_a_warehouse_of_version_4_gains_a_ledger_and_loses_nothing(
    backend: Backend, warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    before = warehouse.table_states(), warehouse.state()
    parameters = parse_qs(urlsplit(settings_of(tmp_path).warehouse_url or "").query)
    etl = f"{parameters.get('dataset_prefix', [''])[0]}etl"
    backend.run(tmp_path, f"DROP TABLE {etl}.etl_files")
    backend.run(tmp_path, f"UPDATE {etl}.etl_schema SET version = 4 WHERE TRUE")
    warehouse.close()
    with closing(backend.open(tmp_path)) as newer:
        assert newer.ledger(ORDERS) == []
        told = newer.migrate()
        assert told.startswith(f"Migrated the platform's tables from version 4 to {SCHEMA_VERSION}")
        assert "New: etl_files, " in told
        assert (newer.table_states(), newer.state()) == before
        day = staged(tmp_path, orders({1: "two"}), run_id="run-2")
        publish(newer, made_of(tmp_path, day, entry("a.csv")))
        assert newer.ledger(ORDERS) == [entry("a.csv")]


def test_more_objects_than_a_parameter_takes_are_published_as_well(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    entries = [entry(f"{number:05d}.csv") for number in range(2_500)]
    publish(warehouse, made_of(tmp_path, staged(tmp_path, orders({1: "one"})), *entries))
    assert warehouse.ledger(ORDERS) == entries
