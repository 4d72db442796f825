"""`etl-assets plan` and `diff` on what the last release before version 4 left: they ask for
`etl-assets migrate` in a line and write nothing; after it the plan knows what is pending."""

import gzip
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.contract.days import NEXT
from etl_assets_tests.importable import importable
from etl_assets_tests.old_warehouse import FIXTURES
from etl_assets_tests.source_tables import run

MODULE = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        day_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.", nullable=True)
        v: pl.String = column(description="A text.", nullable=True)
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(
            description="Changed.", nullable=True
        )

        class Config:
            unique = ["id"]

    TABLE = TableSpec(name="orders", source=PostgresTable("orders"), raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="Orders.", partition_column="day_at")
"""
STRUCTURE = (
    "SELECT table_schema::text, table_name::text, column_name::text "
    "FROM information_schema.columns WHERE table_schema IN ('etl', 'raw') ORDER BY 1, 2, 3"
)


@dataclass(frozen=True)
class Left:
    """Commands on a warehouse that an earlier release left, and what is in it."""

    shop: Shop
    contents: Callable[[], object]


def in_duckdb(folder: Path, _url: str) -> tuple[str, Callable[[], object]]:
    file = folder / "warehouse.duckdb"
    file.write_bytes(gzip.decompress((FIXTURES / "old_warehouse.duckdb.gz").read_bytes()))
    return f"duckdb://{file}", file.read_bytes


def in_postgres(_folder: Path, url: str) -> tuple[str, Callable[[], object]]:
    run(url, (FIXTURES / "old_warehouse.sql").read_text())

    def contents() -> object:
        states = run(url, "SELECT s::text FROM etl.etl_state s ORDER BY 1")
        versions = run(url, "SELECT version_num FROM etl.alembic_version")
        return run(url, STRUCTURE), states, versions

    return url, contents


@pytest.fixture(params=[in_duckdb, in_postgres], ids=["duckdb", "postgres"])
def left(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, database_url: str, tmp_path: Path
) -> Iterator[Left]:
    package = tmp_path / "left_tables"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "orders.py").write_text(textwrap.dedent(MODULE))
    warehouse_url, contents = request.param(tmp_path, database_url)
    environment = {
        "DATABASE_URL": postgres.url("postgres"),  # nothing of it is asked
        "WAREHOUSE_URL": warehouse_url,
        "ETL_TABLES": "left_tables",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_FIRST_DAY": "2024-05-01",
        "ETL_LAST_DAY": "2024-05-31",
    }
    with importable(tmp_path):
        yield Left(Shop(database_url, tmp_path, environment), contents)


@pytest.mark.parametrize("command", ["plan", "plan --json", "plan --exit-code", "diff raw/orders"])
def test_what_is_too_old_to_be_planned_on_says_to_migrate_and_stays_as_it_was(
    left: Left, command: str
) -> None:
    before = left.contents()
    told = left.shop.run(*command.split())
    assert told.exit_code == 1, told.output
    (line,) = told.stderr.strip().splitlines()
    assert line.startswith("error: The platform's own tables in the warehouse are of version 3")
    assert line.endswith("Run etl-assets migrate and then this again. Nothing was done.")
    assert left.contents() == before


def test_after_the_migration_the_plan_knows_what_the_earlier_release_left_pending(
    left: Left,
) -> None:
    migrated = left.shop.run("migrate")
    assert migrated.exit_code == 0, migrated.output
    before = left.contents()
    told = left.shop.run("plan", "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["migration"] is None
    tables = {one["table"]: one for one in found["tables"]}
    raw = tables["raw/orders"]
    assert (raw["refused"], raw["creates"]) == (None, [])
    assert set(raw["loads"]) == {str(NEXT), "2024-05-19"}
    assert set(raw["loads"].values()) == {"refused before"}
    assert tables["staged/orders"]["creates"] == ["staged/orders"]
    assert tables["raw/orders_versions"]["is_declared"] is False
    assert left.contents() == before


def test_in_an_environment_it_is_production_that_must_be_migrated(left: Left) -> None:
    before = left.contents()
    for more in ([], ["--against", "prod"]):
        told = left.shop.run("plan", "--env", "dev", *more)
        assert told.exit_code == 1, told.output
        (line,) = told.stderr.strip().splitlines()
        assert "migrate without ETL_ENV" in line
    assert left.contents() == before
