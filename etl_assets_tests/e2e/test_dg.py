"""Dagster's own commands, as README.md names them, on this repository."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from etl_assets.demo.billing import fill_billing
from etl_assets.demo.shop import fill_shop
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.e2e.command import PROGRAMS, Commands
from etl_assets_tests.readme import commands_of

README = [
    line for line in commands_of("README.md", "Your own PostgreSQL", 2) if line.startswith("dg ")
]
OPENING = "dg dev"


@pytest.fixture(scope="module")
def commands(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """In this repository, with a shop of five days and a warehouse apart."""
    folder = tmp_path_factory.mktemp("dg")
    for name in ("dg_shop", "dg_dagster"):
        postgres.ensure_database(name)
    url = postgres.url("dg_shop")
    fill_shop(url, days=5, orders_a_day=20)
    fill_billing(url, days=5, orders_a_day=20)
    return Commands(
        {
            "ETL_HOME": str(folder),
            "ETL_LAST_DAY": "2024-01-05",
            "DATABASE_URL": url,
            "DATABASE_URL_BILLING": url,
            "DAGSTER_POSTGRES_URL": postgres.url("dg_dagster"),
            "WAREHOUSE_URL": f"duckdb://{folder}/w.duckdb",
            "VIRTUAL_ENV": str(PROGRAMS.parent),
        }
    )


def test_the_readme_names_the_commands_that_are_tried_here() -> None:
    assert [line.split()[1] for line in README] == ["check", "list", "launch", "dev"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.soak] if line.startswith("dg list") else [], id=line)
        for line in README
        if line != OPENING
    ],
)
def test_a_command_of_the_readme_passes(commands: Commands, line: str) -> None:
    program, *arguments = shlex.split(line)
    done = commands._run([str(PROGRAMS / program), *arguments], {})
    said = done.out + done.err
    assert done.code == 0, said
    assert "Traceback" not in said
    if "launch" in arguments:
        warehouse = DuckDBWarehouse(Path(commands.environment["ETL_HOME"]) / "w.duckdb")
        (state,) = warehouse.state()
        assert (state.table_name, str(state.partition_key)) == ("raw/orders", "2024-01-05")
        warehouse.close()
    if "list" in arguments:
        assert "raw/orders" in done.out
