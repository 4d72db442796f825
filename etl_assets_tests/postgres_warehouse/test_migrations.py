"""The platform's own tables: migrated by whoever comes first, and what the models say they are."""

import threading
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from etl_assets.cli.main import main
from etl_assets.core.errors import WarehouseError
from etl_assets.core.state import Happening
from etl_assets.warehouse.postgres import PostgresWarehouse, migrate
from etl_assets.warehouse.postgres.locks import lock_schema_changes
from etl_assets.warehouse.postgres.migrate import downgrade, head, revisions, upgrade
from etl_assets.warehouse.postgres.models import Base
from etl_assets_tests.contract.days import (
    DAY,
    ORDERS,
    entry,
    orders,
    publish,
    spooled,
    staged,
    values,
)
from etl_assets_tests.hazards.test_source_concurrency import until
from etl_assets_tests.postgres_warehouse.warehouses import holding, warehouse_at
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import run

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'etl%' ORDER BY 1"


def differences(warehouse: PostgresWarehouse) -> list[object]:
    """What Alembic would still change to make the database what the models say."""

    def compare(connection: sa.Connection) -> list[object]:
        options = {
            "compare_server_default": True,
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == "etl",
            "version_table_schema": "etl",
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))

    return warehouse.transactions.run("comparing", compare)


def test_the_revisions_that_are_told_from_file_names_are_alembics() -> None:
    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    alembics = [script.revision for script in scripts.walk_revisions()]
    assert revisions() == alembics[::-1]
    assert head() == scripts.get_current_head()


def test_up_down_and_up_again_ends_with_what_the_models_say(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    assert upgrade(warehouse.transactions) == (None, head())
    assert differences(warehouse) == []
    downgrade(warehouse.transactions)
    assert run(database_url, SCHEMAS) == []
    assert upgrade(warehouse.transactions) == (None, head())
    assert differences(warehouse) == []


def test_the_comparison_would_see_a_difference(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    upgrade(warehouse.transactions)
    run(database_url, "ALTER TABLE etl.events DROP COLUMN page_url")
    assert differences(warehouse) != []


def test_a_later_revision_joins_an_earlier_one_without_loss(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    downgrade(warehouse.transactions, "0001")
    state = warehouse.state()
    assert len(state) == 1
    with warehouse_at(database_url) as later:  # a process that finds the database behind
        publish(later, staged(tmp_path, orders({2: "two"})))
        assert later.migrate().startswith("Nothing to migrate")
        assert values(later, tmp_path) == {2: "two"}
    assert differences(warehouse) == []


def test_looking_works_before_the_newest_migration(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    day = staged(tmp_path, orders({1: "one"}), rejected=["{}"])
    publish(warehouse, day)
    downgrade(warehouse.transactions, "0002")
    with warehouse_at(database_url) as newer:
        assert newer.state() == [day.state]
        assert newer.table_state(ORDERS) is None
        assert newer.history(ORDERS, Happening.WATERMARK) == []
        assert newer.quarantined(ORDERS).rows() == [(DAY, "id=0", "{}")]
        newer.record([entry()])  # whoever writes migrates
        assert newer.history(ORDERS, Happening.WATERMARK) == [entry()]
    assert differences(warehouse) == []


def test_a_database_ahead_of_this_release_is_refused(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    run(database_url, "UPDATE etl.alembic_version SET version_num = '9999'")
    with warehouse_at(database_url) as older:
        for attempt in (
            lambda: publish(older, staged(tmp_path, orders({2: "two"}))),
            older.migrate,
        ):
            with pytest.raises(WarehouseError, match=r"newer release .*9999"):
                attempt()
        assert values(older, tmp_path) == {1: "one"}


def _migrate(url: str) -> None:
    with warehouse_at(url) as warehouse:
        warehouse.migrate()


def test_processes_and_threads_may_migrate_at_once(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    waiting = (
        "(SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())) = 3"
    )
    thread = threading.Thread(target=_migrate, args=[database_url])
    with holding(warehouse, lock_schema_changes):  # so that they meet
        processes = [start(_migrate, database_url) for _ in range(2)]
        thread.start()
        until(database_url, waiting)
        assert run(database_url, SCHEMAS) == []
    thread.join()
    assert [ended(process) for process in processes] == [0, 0]
    assert run(database_url, "SELECT version_num FROM etl.alembic_version") == [(head(),)]
    assert differences(warehouse) == []


def test_reading_creates_nothing(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    keys = spooled(tmp_path, pl.DataFrame({"id": [1]}))
    assert warehouse.state() == []
    assert values(warehouse, tmp_path) == {}
    assert warehouse.table_state(ORDERS) is None
    assert warehouse.lookup(ORDERS, keys, tmp_path).collect().height == 0
    assert warehouse.digests(ORDERS, [DAY], 2).height == 0
    assert warehouse.history(ORDERS, Happening.WATERMARK) == []
    assert warehouse.quarantined(ORDERS).height == 0
    assert run(database_url, SCHEMAS) == []


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
        assert values(warehouse, tmp_path) == {1: "one"}


def command(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str) -> tuple[int, str]:
    monkeypatch.setenv("WAREHOUSE_URL", url)
    monkeypatch.setenv("ETL_HOME", str(folder))
    done = CliRunner().invoke(main, ["migrate"])
    return done.exit_code, done.output


def test_the_command_says_in_a_line_what_it_did(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(monkeypatch, tmp_path, database_url) == (
        0,
        f"Migrated the platform's tables from revision none to {head()}.\n",
    )
    assert command(monkeypatch, tmp_path, database_url) == (
        0,
        f"Nothing to migrate: the platform's tables are at revision {head()}.\n",
    )


def test_the_command_has_nothing_to_do_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output = command(monkeypatch, tmp_path, f"duckdb://{tmp_path}/w.duckdb")
    assert (code, output.count("\n")) == (0, 1)
    assert output.startswith("Nothing to migrate")
    assert not (tmp_path / "w.duckdb").exists()
