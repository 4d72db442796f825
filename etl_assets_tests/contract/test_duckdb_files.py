"""Files that an earlier release made: they gain what this one needs, and keep what they hold."""

import gzip
import os
import signal
from pathlib import Path

import duckdb
import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.days import NEXT, ORDERS, orders, publish, staged, values
from etl_assets_tests.old_warehouse import (
    FIXTURES,
    OF_ORDERS,
    ROWS,
    VERSIONED,
    assert_nothing_is_lost,
)
from etl_assets_tests.processes import ended, start


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that the last release before version 4 left."""
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(gzip.decompress((FIXTURES / "old_warehouse.duckdb.gz").read_bytes()))
    return path


def asked(path: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path)) as connection:
        return connection.execute(query).fetchall()


def test_what_an_earlier_release_left_is_brought_over_without_loss(
    path: Path, tmp_path: Path
) -> None:
    warehouse = DuckDBWarehouse(path)
    assert f"from version 3 to {SCHEMA_VERSION}" in warehouse.migrate()
    assert warehouse.migrate().startswith("Nothing to migrate")
    assert_nothing_is_lost(warehouse, tmp_path)
    for table, rows in ROWS.items():
        assert asked(path, f"SELECT id, v FROM {table} ORDER BY 1, 2") == rows
    assert asked(path, "SELECT row_key FROM etl.etl_tombstones") == [("id=2",)]
    assert asked(path, "SELECT version FROM etl.etl_schema") == [(SCHEMA_VERSION,)]


def test_the_first_publication_brings_the_file_over_as_well(path: Path, tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(path)
    day = staged(tmp_path, orders({3: "newest"}, NEXT), NEXT, as_of=OF_ORDERS.as_of)
    publish(warehouse, day, table=VERSIONED)
    state = warehouse.table_state(ORDERS)
    assert state is not None
    assert (state.high_watermark, state.watermark_key, state.first_day) == (
        OF_ORDERS.high_watermark,
        OF_ORDERS.watermark_key,
        OF_ORDERS.first_day,
    )
    assert set(state.reload_reasons) == set(OF_ORDERS.reload_reasons) - {NEXT}
    assert values(warehouse, tmp_path, NEXT) == {3: "newest"}


def test_a_file_of_a_newer_release_is_refused_with_what_to_do(path: Path) -> None:
    DuckDBWarehouse(path).migrate()
    asked(path, f"UPDATE etl.etl_schema SET version = {SCHEMA_VERSION + 1}")
    for look in (lambda w: w.state(), lambda w: w.migrate(), lambda w: w.table_states()):
        with pytest.raises(WarehouseError, match="A newer release of etl_assets has written"):
            look(DuckDBWarehouse(path))


def test_a_file_of_the_first_releases_gains_what_this_one_needs(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    before = staged(tmp_path, orders({1: "one"}))
    publish(DuckDBWarehouse(path), before)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE etl.etl_state DROP COLUMN made_of")
        connection.execute("ALTER TABLE etl.etl_state DROP COLUMN failed_checks")
        for name in ("history", "tombstones", "tables", "schema"):
            connection.execute(f"DROP TABLE etl.etl_{name}")
    warehouse = DuckDBWarehouse(path)
    assert warehouse.state() == [before.state]
    after = staged(tmp_path, orders({1: "moved"}, NEXT), NEXT, made_of="a digest")
    publish(warehouse, after)
    assert values(warehouse, tmp_path, NEXT) == {1: "moved"}
    assert [(state.row_count, state.made_of) for state in warehouse.state()] == [
        (0, None),
        (1, "a digest"),
    ]


def test_the_version_changes_with_what_a_killed_process_left_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    warehouse = DuckDBWarehouse(path)
    seen = [warehouse.version()]
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    seen.append(warehouse.version())
    assert warehouse.version() == seen[-1]
    warehouse.state()
    assert warehouse.version() == seen[-1], "reading changes nothing"
    child = start(_commit_and_die, path)
    assert ended(child) == -signal.SIGKILL
    seen.append(warehouse.version())
    assert len(set(seen)) == 3


def _commit_and_die(path: Path) -> None:
    connection = duckdb.connect(str(path))
    connection.execute("UPDATE etl.etl_state SET run_id = 'other'")
    os.kill(os.getpid(), signal.SIGKILL)
