"""The platform's own tables: who makes them, what changes their version, what `migrate` says.

From earlier releases they are brought over in `test_upgrade.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from etl_assets.cli.main import main
from etl_assets.core.errors import WarehouseError
from etl_assets.core.state import Happening
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    entry,
    orders,
    own_row,
    publish,
    spooled,
    staged,
    values,
)
from etl_assets_tests.old_warehouse import DAILY, LATER
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at
from etl_assets_tests.source_tables import run

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'etl%' ORDER BY 1"


def test_reading_creates_nothing(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    keys = spooled(tmp_path, pl.DataFrame({"id": [1]}))
    assert warehouse.state() == []
    assert values(warehouse, tmp_path) == {}
    assert warehouse.table_state(ORDERS) is None
    assert warehouse.table_states() == []
    assert warehouse.lookup(ORDERS, keys, tmp_path).collect().height == 0
    assert warehouse.digests(ORDERS, [DAY], 2).height == 0
    assert warehouse.history(ORDERS, Happening.WATERMARK) == []
    assert warehouse.quarantined(ORDERS).height == 0
    assert warehouse.quarantine_counts(ORDERS) == {}
    assert warehouse.version() == warehouse.version() is not None
    assert run(database_url, SCHEMAS) == []


def test_the_version_changes_with_everything_that_is_written_and_with_nothing_else(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    own = own_row()

    def change(day: date) -> None:
        publish(warehouse, staged(tmp_path, orders({day.day: "v"}, day), day))

    writing: list[Callable[[], object]] = [
        lambda: change(DAY),
        lambda: change(NEXT),
        lambda: change(NEXT),
        lambda: warehouse.verify(ORDERS, [DAY], LATER),
        lambda: warehouse.record([entry()]),
        lambda: warehouse.record([entry()]),
        lambda: warehouse.record([entry(table=DAILY)]),
        lambda: warehouse.move(own, warehouse.table_states()[0].load_id, []),
        lambda: warehouse.move(replace(own, load_id="other"), own.load_id, [entry()]),
    ]
    seen = [warehouse.version()]
    for write in writing:
        write()
        seen.append(warehouse.version())
        values(warehouse, tmp_path)
        warehouse.ensure(ORDERS)
        run(database_url, "VACUUM etl.etl_tables, etl.etl_schema")
        with warehouse_at(database_url) as other:
            assert other.version() == seen[-1]
    assert len(set(seen)) == len(seen)


@pytest.fixture
def small_role(database_url: str) -> str:
    """The URL of a role that may connect and nothing else."""
    name = database_url.split("/")[3].split("?")[0]
    run(database_url, f"CREATE ROLE {name} LOGIN")
    return database_url.replace("postgres:@", f"{name}:@")


def test_a_role_that_may_not_migrate_is_told_who_may(
    small_role: str, database_url: str, tmp_path: Path
) -> None:
    role = small_role.split("//")[1].split(":")[0]
    with (
        warehouse_at(small_role) as warehouse,
        pytest.raises(WarehouseError, match=r"42501.*etl-assets migrate"),
    ):
        publish(warehouse, staged(tmp_path, orders({1: "one"})))
    with warehouse_at(database_url) as mighty:
        mighty.migrate()
    run(
        database_url,
        f"CREATE SCHEMA raw AUTHORIZATION {role}",
        f"GRANT USAGE ON SCHEMA etl TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA etl TO {role}",
        f"GRANT USAGE, CREATE ON SCHEMA etl_staging TO {role}",
    )
    with warehouse_at(small_role) as warehouse:
        publish(warehouse, staged(tmp_path, orders({1: "one"}), rejected=["{}"]))
        warehouse.record([entry()])
        assert values(warehouse, tmp_path) == {1: "one"}


def command(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str) -> tuple[int, str]:
    monkeypatch.setenv("WAREHOUSE_URL", url)
    monkeypatch.setenv("ETL_HOME", str(folder))
    done = CliRunner().invoke(main, ["migrate"])
    return done.exit_code, done.output


def test_the_command_says_in_a_line_what_it_did(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (database_url, f"duckdb://{tmp_path}/w.duckdb"):
        assert command(monkeypatch, tmp_path, url) == (
            0,
            f"Made the platform's tables, in version {SCHEMA_VERSION}.\n",
        )
        assert command(monkeypatch, tmp_path, url) == (
            0,
            f"Nothing to migrate: the platform's tables are of version {SCHEMA_VERSION}.\n",
        )
