"""A change as a person tries it: planned, compared, in an environment; and the page about it."""

import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets_tests.cli.conftest import DAYS, Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

PAGE = Path(__file__).parents[2] / "docs" / "changing-tables.md"
MODULE = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        mail: pl.String = column(description="Whose.", personal=True)
        amount: pl.Int64 = column(description="Paid.", {rule})
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

        class Config:
            unique = ["id"]

    class Staged(Raw):
    {column}
        class Config:
            unique = ["id"]

    def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns({columns})

    TABLE = TableSpec(name="parcels", source=PostgresTable("parcels"), raw=Raw, staged=Staged,
        stage=stage, description="Parcels.")
"""
SIZE = '    size: pl.String = column(description="How large.", nullable=True)\n'
PACKAGES = {
    "parcels_now": MODULE.format(rule="", column="    pass\n", columns="pl.col('id')"),
    "parcels_next": MODULE.format(
        rule="ge=20",
        column=SIZE,
        columns="pl.lit('L').alias('size'), pl.col('mail').str.to_uppercase()",
    ),
}


@pytest.fixture(scope="module")
def company(postgres: "object", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Four parcels on two days, loaded and staged by the code of now."""
    folder = tmp_path_factory.mktemp("parcels")
    for name, text in PACKAGES.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        (folder / name / "parcels.py").write_text(textwrap.dedent(text))
    postgres.ensure_database("changing_tables")  # type: ignore[attr-defined]
    url = postgres.url("changing_tables")  # type: ignore[attr-defined]
    run(
        url,
        "CREATE TABLE parcels (id bigint PRIMARY KEY, mail text NOT NULL, amount bigint NOT NULL, "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
        "INSERT INTO parcels SELECT n, 'a@b.c', n * 10, timestamptz '2024-01-01Z' + n % 2 * "
        "interval '1 day', '2024-01-05Z' FROM generate_series(1, 4) n",
    )
    environment = {
        "DATABASE_URL": url,
        "ETL_TABLES": "parcels_now",
        "ETL_HOME": str(folder / "home"),
        "ETL_FIRST_DAY": "2024-01-01",
        "ETL_LAST_DAY": "2024-01-02",
        "WAREHOUSE_URL": f"duckdb://{folder}/warehouse.duckdb",
    }
    with importable(folder):
        made = Shop(url, folder, environment)
        done = made.run("backfill")
        assert done.exit_code == 0, done.output
        yield made.with_environment(ETL_TABLES="parcels_next")


def test_a_plan_says_what_would_be_done_and_what_each_change_means(company: Shop) -> None:
    file = company.folder / "warehouse.duckdb"
    before = file.read_bytes()
    told = company.run("plan")
    assert told.exit_code == 0, told.output
    text = " ".join(told.stdout.split())
    assert "staged/parcels Adds the column size." in text
    assert "Makes 2 days (2024-01-01 to 2024-01-02): its contract gained size." in text
    assert "may refuse: amount must keep greater_than_or_equal_to(20) now" in text
    assert "Nothing was done." in text
    assert company.run("plan", "--exit-code").exit_code == 2
    assert company.run("plan", "--exit-code", ETL_TABLES="parcels_now").exit_code == 0
    found = json.loads(company.run("plan", "staged/parcels", "--json").stdout)
    (table,) = found["tables"]
    assert table["added_columns"] == ["size"]
    assert list(table["makes"]) == ["2024-01-01", "2024-01-02"]
    assert file.read_bytes() == before, "nothing at all was written"


def test_a_difference_is_shown_by_key_and_column_without_personal_values(company: Shop) -> None:
    first = ["--from", "2024-01-01", "--to", "2024-01-01"]
    told = company.run("diff", "staged/parcels", *first)
    assert told.exit_code == 1, told.output
    assert "2 rows before, 2 after: 0 added, 0 removed, 2 changed" in told.stdout
    assert "New columns: size." in told.stdout
    assert "size: NULL -> L" in told.stdout
    assert "mail: (personal) -> (personal)" in told.stdout
    assert "a@b" not in told.stdout
    assert "A@B" not in told.stdout
    as_json = company.run("diff", "staged/parcels", "--json")
    found = json.loads(as_json.stdout)
    assert (as_json.exit_code, found["changed_by_column"]) == (1, {"mail": 3, "size": 3})
    assert found["refused_by_rule"] == {"amount: greater_than_or_equal_to(20)": 1}
    assert (found["removed"], found["blocked"]) == (1, {"2024-01-02": ["value_rules"]})
    assert found["null_ratios"] == {"size": {"before": 1.0, "after": 0.0}}
    same = company.run("diff", "staged/parcels", ETL_TABLES="parcels_now")
    assert (same.exit_code, "Nothing differs" in same.stdout) == (0, True)
    none = company.run("diff", "staged/parcels", "--from", "2025-01-01")
    assert none.exit_code == 2
    assert "there is nothing to compare with" in " ".join(none.stderr.split())


@pytest.mark.thorough
def test_a_difference_is_looked_for_in_the_newest_days_that_have_rows(
    company: Shop, tmp_path: Path
) -> None:
    shutil.copy(company.folder / "warehouse.duckdb", tmp_path)
    later = company.with_environment(
        WAREHOUSE_URL=f"duckdb://{tmp_path}/warehouse.duckdb", ETL_LAST_DAY="2024-01-12"
    )
    empty = ["--from", "2024-01-03", "--to", "2024-01-12"]
    for path in ("raw/parcels", "staged/parcels"):
        made = later.run("backfill", path, *empty, ETL_TABLES="parcels_now")
        assert made.exit_code == 0, made.output
    as_json = later.run("diff", "staged/parcels", "--json")
    found = json.loads(as_json.stdout)
    assert (as_json.exit_code, found["days"]) == (1, ["2024-01-01", "2024-01-02"])
    named = later.run("diff", "staged/parcels", *empty, ETL_TABLES="parcels_now")
    assert named.exit_code == 0
    assert (
        "Nothing differs: these days have no rows. Name others: etl-assets diff staged/parcels "
        "--from 2024-01-01 --to 2024-01-02."
    ) in named.stdout


def test_rows_that_a_contract_would_refuse_are_counted_by_rule(company: Shop) -> None:
    told = company.run("diff", "raw/parcels", "--json")
    assert told.exit_code == 1, told.output
    assert json.loads(told.stdout)["refused_by_rule"] == {"amount: greater_than_or_equal_to(20)": 1}
    assert "3 of 4 rows keep the contract" in company.run("diff", "raw/parcels").stdout
    assert company.run("diff", "raw/parcels", ETL_TABLES="parcels_now").exit_code == 0


@pytest.mark.parametrize("name", ["a b", "raw", "prod", "Dev", "pg_dev", "1st", "etl", "x" * 21])
def test_names_that_are_no_good_are_refused_in_one_sentence(company: Shop, name: str) -> None:
    for done in (company.run("status", ETL_ENV=name), company.run("plan", "--env", name)):
        assert done.exit_code == 1
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("error: ETL_ENV is ")
        assert "Write a name like dev" in line


def test_an_environment_is_tried_compared_and_removed(company: Shop) -> None:
    file = company.folder / "warehouse.duckdb"
    before = file.read_bytes()
    dev = company.with_environment(ETL_ENV="dev")
    made = dev.run("backfill", "staged/parcels", "--from", "2024-01-01", "--to", "2024-01-01")
    assert made.exit_code == 0, made.output
    assert "Environment dev" in dev.run("status").stdout
    told = dev.run("diff", "staged/parcels", "--against", "prod", "--json")
    found = json.loads(told.stdout)
    assert (told.exit_code, found["days"], found["changed"]) == (1, ["2024-01-01"], 2)
    assert json.loads(dev.run("plan", "--against", "prod", "--json").stdout)["tables"]
    assert file.read_bytes() == before, "production is as it was"

    refused = company.run("diff", "staged/parcels", "--against", "prod")
    assert refused.exit_code == 1
    assert "Name one: --env dev" in refused.stderr
    assert company.run("env", "list").stdout == "dev\n"
    assert "Aborted" in company.run("env", "drop", "dev").stderr
    assert company.run("env", "list").stdout == "dev\n"
    assert company.run("env", "drop", "other", "--yes").exit_code == 1
    assert company.run("env", "drop", "dev", "--yes").exit_code == 0
    assert "no environment but production" in company.run("env", "list").stdout
    assert file.read_bytes() == before


ENDS: dict[str, set[int]] = {"plan --exit-code": {2, 3}, "diff": {0, 1}}
"""How commands of the page may end that do not end with 0."""


@pytest.mark.thorough
def test_the_commands_of_the_page_work(shop: Shop, tmp_path: Path) -> None:
    shutil.copy(shop.folder / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    own = shop.with_environment(WAREHOUSE_URL=f"duckdb://{tmp_path}/warehouse.duckdb")
    first, last = DAYS[0].isoformat(), DAYS[-1].isoformat()
    made = own.run("backfill", "staged/orders", "--from", first, "--to", last)
    assert made.exit_code == 0, made.output
    lines = [
        line.partition("#")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
        for line in block.splitlines()
    ]
    assert sum(line.startswith("etl-assets") for line in lines) > 12
    name = ""
    for line in lines:
        if line.startswith(("export", "unset")):
            name = line.partition("=")[2]
        elif line != "etl-assets dev" and "quarantine replay" not in line:
            arguments = line.removeprefix("etl-assets ").split()
            given = own.with_environment(ETL_ENV=name) if name else own
            done = given.run(*arguments)
            allowed = next((ends for told, ends in ENDS.items() if told in line), {0})
            assert done.exit_code in allowed, f"{line}: {done.output}"
