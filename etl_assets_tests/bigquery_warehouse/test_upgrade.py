"""Datasets of earlier and of newer releases: brought over once, read as they are, or refused."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date

import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import Happening
from etl_assets.warehouse.bigquery import system
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    changes_of,
    orders,
    publish,
    staged,
    values,
)

OTHER = replace(ORDERS, name="others")
_STATE = (
    "INSERT INTO {p}etl.etl_state (table_name, partition_key, high_watermark, watermark_key, "
    "row_count, quarantined_count, checks_passed, checks_failed, as_of, load_id, run_id, seconds, "
    "updated_at) VALUES ('raw/orders', DATE '0001-01-01', TIMESTAMP '2024-05-18 12:00:00+00', "
    "'[\"7\"]', 2, 0, 3, 0, TIMESTAMP '2024-06-01 00:00:00+00', 'own token', 'run-0', 0.5, "
    "TIMESTAMP '2024-06-01 00:00:00+00')"
)
_HISTORY = "INSERT INTO {p}etl.etl_history (table_name, kind, `at`, run_id, payload) VALUES "
LOG = [
    ("columns", 1, '[["id", "bigint"]]'),
    ("columns", 0, "[]"),
    ("owed", 1, '{"days": ["2024-05-18", "2024-05-17"]}'),
    ("owed", 0, '{"days": []}'),
    ("scope", 1, '{"first": "2024-01-01", "last": null}'),
    ("watermark", 1, "{}"),
]


@pytest.fixture
def old(place: Place) -> Place:
    """A dataset as version 3 left it: `raw/orders` syncs, `raw/others` only has days."""
    publish(place.warehouse(), staged(place.folder, orders({1: "one", 2: "two"})))
    publish(place.warehouse(), staged(place.folder, orders({3: "x"}), table=OTHER), table=OTHER)
    with closing(place.server.client()) as client:
        for name in ("etl_tables", "etl_schema"):
            client.delete_table(f"{place.prefix}etl.{name}")
    for column in ("made_of", "failed_checks"):
        place.query(f"ALTER TABLE {{p}}etl.etl_state DROP COLUMN {column}")
    place.query(_STATE)
    rows = [
        f"('raw/orders', '{kind}', TIMESTAMP '2024-06-0{1 + day} 00:00:00+00', 'run-0', '{text}')"
        for kind, day, text in LOG
    ]
    place.query(_HISTORY + ", ".join(rows).replace("{", "{{").replace("}", "}}"))
    return place


@pytest.mark.thorough
def test_what_an_earlier_release_wrote_is_read_as_it_is(old: Place) -> None:
    warehouse = old.warehouse()
    assert [(s.table_name, s.partition_key) for s in warehouse.state()] == [
        ("raw/orders", DAY),
        ("raw/others", DAY),
    ]
    assert [state.failed_checks for state in warehouse.state()] == [None, None]
    assert (warehouse.table_states(), warehouse.quarantine_counts(ORDERS)) == ([], {})
    assert warehouse.version() == warehouse.version()
    with closing(old.server.client()) as client:
        made = {item.table_id for item in client.list_tables(f"{old.prefix}etl")}
    assert "etl_tables" not in made


@pytest.mark.thorough
def test_a_tables_row_and_the_newest_of_the_log_become_its_row(old: Place) -> None:
    warehouse = old.warehouse()
    found = warehouse.table_state(ORDERS)
    assert found is not None
    assert (found.load_id, found.run_id, found.as_of) == ("own token", "run-0", AS_OF)
    assert (found.high_watermark, found.watermark_key) == (at(NEXT), '["7"]')
    assert (found.row_count, found.content, found.verified_through) == (2, None, None)
    assert found.source_columns == '[["id", "bigint"]]'
    assert set(found.reload_reasons) == {DAY, NEXT}
    assert (found.first_day, found.last_day) == (date(2024, 1, 1), None)
    other = warehouse.table_state(OTHER)
    (state,) = warehouse.state(OTHER)
    assert other is not None
    assert (other.load_id, other.as_of, other.row_count) == (state.load_id, state.as_of, 1)
    assert [s.partition_key for s in warehouse.state()] == [DAY, DAY]
    assert {entry.kind for entry in warehouse.history(ORDERS, Happening.RELOAD)} == {"reload"}
    assert warehouse.history(ORDERS, "owed") == []


def test_work_goes_on_from_what_was_brought_over(old: Place) -> None:
    warehouse = old.warehouse()
    assert f"from version 3 to {SCHEMA_VERSION}" in warehouse.migrate()
    assert "Nothing to migrate" in old.warehouse().migrate()
    day = staged(old.folder, orders({2: "new"}), row_count=2, failed_checks="a check")
    bring(warehouse, changes_of(old.folder, "own token"), day)
    assert values(warehouse, old.folder) == {1: "one", 2: "new"}
    assert [state.failed_checks for state in warehouse.state(ORDERS)] == ["a check"]
    publish(warehouse, staged(old.folder, orders({4: "y"}), table=OTHER), table=OTHER)
    assert values(warehouse, old.folder, table=OTHER) == {4: "y"}


@pytest.mark.thorough
def test_two_that_upgrade_at_once_bring_over_once(old: Place) -> None:
    both = [old.warehouse(), old.warehouse()]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda warehouse: warehouse.table_state(ORDERS), both))
    assert found[0] == found[1] is not None
    tables = "SELECT table_name, COUNT(*) FROM {p}etl.etl_tables GROUP BY 1 ORDER BY 1"
    assert old.query(tables) == [("raw/orders", 1), ("raw/others", 1)]
    assert old.query("SELECT DISTINCT version FROM {p}etl.etl_schema") == [(SCHEMA_VERSION,)]


@pytest.mark.thorough
def test_an_upgrade_that_comes_late_leaves_the_part_of_a_table_without_days(place: Place) -> None:
    """Its only part has the day by which a table's own row was known before."""
    table = replace(ORDERS, partition_column=None, name="lookup")
    late = place.warehouse()
    publish(late, staged(place.folder, orders({1: "one"}), WHOLE, table=table), table=table)
    late._jobs.query(system._upgrade(late._datasets), "etl_upgrade_late")
    assert [state.partition_key for state in late.state(table)] == [WHOLE]


@pytest.mark.thorough
def test_a_dataset_of_a_newer_release_is_refused_and_still_read(place: Place) -> None:
    publish(place.warehouse(), staged(place.folder, orders({1: "one"})))
    place.query("UPDATE {p}etl.etl_schema SET version = version + 1 WHERE TRUE")
    warehouse = place.warehouse()
    told = (
        rf"newer release of etl_assets.*version {SCHEMA_VERSION + 1}; "
        rf"this release knows {SCHEMA_VERSION}.*Install that release"
    )
    for ask in (
        lambda: publish(warehouse, staged(place.folder, orders({1: "new"}))),
        lambda: warehouse.table_state(ORDERS),
        lambda: warehouse.verify(ORDERS, [DAY], AS_OF),
        warehouse.migrate,
    ):
        with pytest.raises(WarehouseError, match=told):
            ask()
    assert values(warehouse, place.folder) == {1: "one"}
    assert [state.row_count for state in warehouse.state()] == [1]
