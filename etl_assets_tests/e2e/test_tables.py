"""M1, R6, R7 from a terminal: tables of one's own package, broken ones, and the demo's shop."""

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl_assets_tests.e2e.command import REPOSITORY, Commands
from etl_assets_tests.source_tables import run

THINGS = """
import polars as pl
from typing import Annotated
from etl_assets.core.contracts import Contract, column
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec

class Things(Contract):
    id: pl.Int64 = column(description="A number.")
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

    class Config:
        unique = ["id"]

def stage(raw):
    return raw

TABLE = TableSpec(name="NAME", source=PostgresTable("things"), raw=Things, staged=Things,
    stage=stage, description="Things.", MORE)
"""


def things(name: str, more: str = "") -> str:
    return THINGS.replace("NAME", name).replace("MORE", more)


@pytest.fixture
def company(postgres: Any, database_url: str, tmp_path: Path) -> Callable[..., Commands]:
    """Commands of somebody with two databases, a package of tables, and no repository of ours."""
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, "
        "updated_at timestamptz NOT NULL)",
        "INSERT INTO things SELECT n, '2024-01-01Z'::timestamptz + n * '1 hour'::interval, "
        "'2024-01-01Z'::timestamptz + n * '1 hour'::interval FROM generate_series(1, 47) n",
    )
    postgres.ensure_database("tables_dagster")

    def make(**modules: str) -> Commands:
        folder = tmp_path / "my_company" / "tables"
        folder.mkdir(parents=True)
        for package in (folder, folder.parent):
            (package / "__init__.py").touch()
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        return Commands(
            {
                "PYTHONPATH": f"{REPOSITORY}:{tmp_path}",
                "ETL_TABLES": "my_company.tables",
                "ETL_HOME": str(tmp_path / "home"),
                "ETL_LAST_DAY": "2024-01-02",
                "DATABASE_URL": database_url,
                "DAGSTER_POSTGRES_URL": postgres.url("tables_dagster"),
                "WAREHOUSE_URL": f"duckdb://{tmp_path}/w.duckdb",
            },
            folder=tmp_path,
        )

    return make


def rows(file: Path, table: str) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(count)


def test_m1_broken_tables_are_sentences_and_the_others_are_loaded_from_any_folder(
    company: Callable[..., Commands], tmp_path: Path
) -> None:
    commands = company(
        good=things("good"),
        bad=things("bad", 'partition_column="made_at"'),
        worse="def worse(:\n",
    )
    told = [
        "my_company/tables/bad.py: TableSpec bad: partition_column: Things has no column",
        "my_company/tables/worse.py: the module cannot be imported (SyntaxError in line 1",
    ]
    done = commands.etl_assets("backfill")
    assert done.code == 0, done.err
    assert rows(tmp_path / "w.duckdb", "staged.good") == 47
    assert "Read from postgresql://" in done.out
    status, doctor = commands.etl_assets("status"), commands.etl_assets("doctor")
    assert (status.code, doctor.code) == (0, 1)
    assert "staged/good" in status.out
    named = commands.etl_assets("backfill", "raw/bad")
    assert named.code == 1
    for outcome in (done, status, doctor, named):
        for words in told:
            assert words in outcome.message, outcome.err
        assert "Traceback" not in outcome.err
    location = commands.dagster("asset", "list", "-m", "etl_assets.definitions")
    assert location.code == 0, location.err
    assert "raw/good" in location.out
    only_checked = commands.dagster("definitions", "validate", "-m", "etl_assets.definitions")
    assert only_checked.code == 1
    for one in (location, only_checked):
        assert "Things has no column 'made_at'" in one.out + one.err


@pytest.mark.thorough
def test_r7_a_sync_derives_unless_told_not_to_and_status_counts_what_is_late(
    company: Callable[..., Commands], database_url: str, tmp_path: Path
) -> None:
    commands = company(good=things("good"))
    assert commands.etl_assets("backfill").code == 0
    run(database_url, "INSERT INTO things VALUES (99, '2024-01-02 10:00Z', now())")
    synced = commands.etl_assets("sync", "--no-derive")
    assert synced.code == 0, synced.err
    file = tmp_path / "w.duckdb"
    assert (rows(file, "raw.good"), rows(file, "staged.good")) == (48, 47)
    status = commands.etl_assets("status")
    assert "etl-assets derive staged/good" in status.message
    derived = commands.etl_assets("derive")
    assert (derived.code, derived.out.strip()) == (0, "staged/good: 1 late day made.")
    assert rows(file, "staged.good") == 48
    run(database_url, "INSERT INTO things VALUES (100, '2024-01-01 10:00Z', now())")
    assert "staged/good: 1 late day made." in commands.etl_assets("sync").out
    assert rows(file, "staged.good") == 49
    assert "No derived day is behind" in commands.etl_assets("derive").out


@pytest.mark.thorough
def test_two_databases_with_a_table_of_one_name_do_not_collide(
    company: Callable[..., Commands], postgres: Any, tmp_path: Path
) -> None:
    postgres.ensure_database("tables_billing")
    billing = postgres.url("tables_billing")
    run(
        billing,
        "DROP TABLE IF EXISTS things",
        "CREATE TABLE things (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, "
        "updated_at timestamptz NOT NULL)",
        "INSERT INTO things VALUES (7, '2024-01-02 10:00Z', '2024-01-02 10:00Z')",
    )
    other = things("billing_things").replace(
        'PostgresTable("things")', 'PostgresTable("things", connection="billing")'
    )
    commands = company(things=things("things"), billing_things=other)
    missing = commands.etl_assets("backfill")
    assert missing.code == 1
    assert 'DATABASE_URL_BILLING is not set, and a table names its connection "billing"' in (
        missing.message
    )
    done = commands.etl_assets("backfill", DATABASE_URL_BILLING=billing)
    assert done.code == 0, done.err
    assert "postgresql:///tables_billing" in done.out
    file = tmp_path / "w.duckdb"
    assert [rows(file, f"staged.{name}") for name in ("things", "billing_things")] == [47, 1]
    both = commands.etl_assets("sync", DATABASE_URL_BILLING=billing)
    assert both.code == 0, both.err
    assert commands.etl_assets("doctor", DATABASE_URL_BILLING=billing).code == 0


@pytest.mark.parametrize("arguments", [("backfill",), ("sync",), ("reconcile",)])
def test_r6_a_forgotten_database_never_fills_a_warehouse_with_the_demos_shop(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "w.duckdb"
    commands = Commands({"ETL_HOME": str(tmp_path / "home"), "WAREHOUSE_URL": f"duckdb://{file}"})
    done = commands.etl_assets(*arguments)
    assert done.code == 1
    assert "DATABASE_URL is not set" in done.message
    assert "Set DATABASE_URL to postgresql://" in done.message
    assert not file.exists()


@pytest.mark.thorough
def test_r6_the_demo_fills_no_warehouse_that_has_other_tables(
    company: Callable[..., Commands], tmp_path: Path
) -> None:
    commands = company(good=things("good"))
    assert commands.etl_assets("backfill").code == 0
    before = shutil.copy(tmp_path / "w.duckdb", tmp_path / "before.duckdb")
    demo = commands.etl_assets("demo", DATABASE_URL="")
    assert demo.code == 1
    assert "the warehouse holds tables that are not the demo's: raw/good" in demo.message
    asked = commands.etl_assets("backfill", DATABASE_URL="", ETL_TABLES="", ETL_DEMO="1")
    assert asked.code == 1
    assert "the warehouse holds tables that are not the demo's" in asked.message
    assert rows(Path(before), "raw.good") == rows(tmp_path / "w.duckdb", "raw.good")


@pytest.mark.soak  # four commands; `cli/test_own_tables.py` has them in one process
def test_m6_ones_own_tables_need_nothing_of_the_demo(
    company: Callable[..., Commands], tmp_path: Path
) -> None:
    """Neither the demo's tables nor its databases and files are there: no command misses them."""
    commands = company(good=things("good"))
    for arguments in (("doctor",), ("sync",), ("status",), ("dictionary",)):
        done = commands.etl_assets(*arguments)
        assert (done.code, done.err) == (0, ""), arguments
        assert "raw/good" in done.out
        for demo in ("raw/orders", "raw/customers", "raw/invoices", "raw/shipments"):
            assert demo not in done.out
    assert rows(tmp_path / "w.duckdb", "staged.good") == 47
