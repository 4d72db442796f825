"""`etl-assets fields` on a table whose JSON column changes as applications change it."""

import json
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.new_database import dagster_database, empty_database
from etl_assets_tests.source_tables import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "custom-fields.md"
MODULE = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        custom: pl.String = column(
            description="Fields.", nullable=True, logical="json", fields=True)
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

        class Config:
            unique = ["id"]

    class Staged(Raw):
        note: pl.String = column(description="Nothing.", nullable=True)

        class Config:
            unique = ["id"]

    def stage(raw):
        return raw.with_columns(pl.lit(None, pl.String).alias("note"))

    TABLE = TableSpec(name="people", source=PostgresTable("people"), raw=Raw, staged=Staged,
        stage=stage, keep_versions=KEEP, description="People.")
"""
FIRST, SECOND = "2024-01-01 12:00Z", "2024-01-02 12:00Z"
ROWS = [
    (1, '{"limit": 500, "a \\"b": null, "tier": "gold"}', FIRST),
    (2, '{"limit": 12345678901234567890.5}', FIRST),
    (3, '{"limit": "500.00", "tier": "silver"}', SECOND),
    (4, '{"limit": "much"}', SECOND),
    (5, None, SECOND),
]


class Company(Shop):
    """Commands that must do well, and modules that are read anew by each, as in a terminal."""

    def run(self, *arguments: str, **changes: str) -> Result:
        """As any command, with Dagster's database on the server of the tests."""
        dagster = dagster_database(self.url, self.environment["ETL_HOME"])
        return super().run(*arguments, **{"DAGSTER_POSTGRES_URL": dagster, **changes})

    def done(self, *arguments: str) -> str:
        self.read_modules_anew()
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split())

    @staticmethod
    def read_modules_anew() -> None:
        for name in [name for name in sys.modules if name.startswith("people_company")]:
            del sys.modules[name]

    def listed(self, table: str = "raw/people") -> dict[str, dict[str, Any]]:
        found = json.loads(self.run("fields", "list", table, "--json").stdout)
        return {one["field"]: one for one in found}

    @property
    def module(self) -> Path:
        return self.folder / "people_company" / "people.py"


def company_of(folder: Path, url: str, warehouse: str, *, keeps_versions: bool = True) -> Company:
    package = folder / "people_company"
    package.mkdir()
    (package / "__init__.py").touch()
    module = textwrap.dedent(MODULE).replace("KEEP", str(keeps_versions))
    (package / "people.py").write_text(module)
    run(
        url,
        "CREATE TABLE people (id bigint PRIMARY KEY, custom jsonb, "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
    )
    for key, custom, moment in ROWS:
        text = "NULL" if custom is None else f"'{custom}'"
        run(url, f"INSERT INTO people VALUES ({key}, {text}, '{moment}', '{moment}')")
    environment = {
        "DATABASE_URL": url,
        "ETL_TABLES": "people_company",
        "ETL_HOME": str(folder / "home"),
        "ETL_LAST_DAY": "2024-01-03",
        "WAREHOUSE_URL": warehouse,
    }
    return Company(url, folder, environment)


# A promotion changes columns on both, the rest is of PostgreSQL in the soak.
@pytest.fixture(params=["duckdb", "postgres"])
def company(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, database_url: str, tmp_path: Path
) -> Iterator[Company]:
    warehouse = f"duckdb://{tmp_path}/warehouse.duckdb"
    if request.param == "postgres":
        warehouse = empty_database(postgres, "warehouse")
    with importable(tmp_path):
        yield company_of(tmp_path, database_url, warehouse)


@pytest.fixture
def forgetful(database_url: str, tmp_path: Path) -> Iterator[Company]:
    """The same without versions, in DuckDB."""
    warehouse = f"duckdb://{tmp_path}/warehouse.duckdb"
    with importable(tmp_path):
        yield company_of(tmp_path, database_url, warehouse, keeps_versions=False)


@pytest.fixture(scope="module")
def refusing(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The same for commands that change nothing, with its raw days loaded."""
    folder = tmp_path_factory.mktemp("refusing")
    url = empty_database(postgres, "refusing")
    warehouse = f"duckdb://{folder}/warehouse.duckdb"
    company = company_of(folder, url, warehouse, keeps_versions=False)
    with importable(folder):
        company.done("backfill", "raw/people")
    return company


def staged_rows(company: Company) -> dict[int, tuple[Any, ...]]:
    """limit_amount and custom by id, as the warehouse has them."""
    from etl_assets.config import Settings
    from etl_assets.core.partitions import Window
    from etl_assets.pipeline.platform import Platform

    company.read_modules_anew()
    settings = Settings(
        home=company.folder / "other",
        tables=("people_company",),
        warehouse_url=company.environment["WAREHOUSE_URL"],
    )
    platform = Platform(settings)
    table = platform.catalog["staged/people"]
    days = [state.partition_key for state in platform.warehouse.state(table)]
    extract = platform.warehouse.read(table, [Window(min(days), max(days))], company.folder / "r")
    rows = extract.frames[0].select("id", "limit_amount", "custom").collect().rows()
    platform.close()
    return {key: values for key, *values in rows}


@pytest.mark.soak_for("postgres")
def test_fields_are_listed_with_types_and_moments_of_the_source(company: Company) -> None:
    assert "no row has a field yet" in company.done("fields", "list", "raw/people")
    company.done("backfill")
    found = company.listed()
    assert found.keys() == {"limit", 'a "b', "tier"}
    assert found["limit"]["types"] == {"text": 2, "integer": 1, "number": 1}
    assert (found["tier"]["rows"], found["tier"]["of_rows"]) == (2, 4)
    assert (found['a "b']["null_ratio"], found["tier"]["null_ratio"]) == (1.0, 0.0)
    assert found["tier"]["first_seen"].startswith("2024-01-01T12:00:00")
    assert found["tier"]["last_seen"].startswith("2024-01-02T12:00:00")
    assert company.listed("staged/people") == found, "they are counted where they come from"
    printed = company.done("fields", "list", "raw/people")
    assert "limit text 2, integer 1, number 1 4 100% 0% 2024-01-01 2024-01-02" in printed


@pytest.mark.thorough
@pytest.mark.soak_for("postgres")
def test_loads_and_lists_again_change_no_count(company: Company) -> None:
    company.done("backfill")
    before = company.listed()
    assert company.listed() == before
    company.done("backfill", "raw/people")
    company.done("sync", "raw/people")
    assert company.listed() == before


@pytest.mark.thorough
@pytest.mark.thorough_for("postgres")
@pytest.mark.soak_for("postgres")
def test_a_field_that_disappears_and_returns_as_another_type_is_remembered(
    company: Company,
) -> None:
    company.done("backfill")
    change = "UPDATE people SET custom = '{}', updated_at = '2024-01-03 00:00Z' WHERE id IN (1, 3)"
    run(company.url, change)
    company.done("sync", "raw/people")
    found = company.listed()["tier"]
    assert (found["rows"], found["of_rows"]) == (2, 6), "of every version that was seen"
    assert found["last_seen"].startswith("2024-01-02T12:00:00")
    run(
        company.url, """UPDATE people SET custom = '{"tier": 3}', updated_at = now() WHERE id = 1"""
    )
    company.done("sync", "raw/people")
    found = company.listed()["tier"]
    assert found["types"] == {"text": 2, "integer": 1}
    assert found["first_seen"].startswith("2024-01-01T12:00:00")
    assert found["last_seen"] > "2024-01-03", "the moment of the change"


@pytest.mark.thorough
def test_a_table_without_versions_keeps_in_mind_what_it_listed(forgetful: Company) -> None:
    forgetful.done("backfill", "raw/people")
    before = forgetful.listed()
    run(forgetful.url, "UPDATE people SET custom = '{}', updated_at = '2024-01-03 00:00Z'")
    forgetful.done("sync", "raw/people")
    found = forgetful.listed()
    assert found.keys() == before.keys()
    assert (found["tier"]["rows"], found["tier"]["types"]) == (0, {})
    assert found["tier"]["null_ratio"] is None
    assert found["tier"]["last_seen"] == before["tier"]["last_seen"]
    assert forgetful.listed() == found


@pytest.mark.thorough_for("postgres")
def test_a_promoted_field_is_a_typed_column_for_the_past_as_well(company: Company) -> None:
    company.done("backfill")
    asked = ("fields", "promote", "raw/people", "limit", "--as", "limit_amount")
    before = company.module.read_text()
    told = company.done(*asked, "--type", "decimal(18,2)")
    assert company.module.read_text() == before, "without --write nothing is written"
    assert "Put this into Staged in people_company/people.py" in told
    assert "2 published values of 4 fit decimal(18,2)" in told
    assert "etl-assets backfill staged/people" in told
    company.done(*asked, "--type", "decimal(18,2)", "--write")
    assert len(company.module.read_text().splitlines()) > len(before.splitlines())
    company.done("backfill", "staged/people")
    rows = staged_rows(company)
    assert {key: amount and str(amount) for key, (amount, _) in rows.items()} == {
        1: "500.00", 2: None, 3: "500.00", 4: None, 5: None,
    }  # fmt: skip
    kept = {key: custom and json.loads(custom) for key, (_, custom) in rows.items()}
    assert kept == dict(run(company.url, "SELECT id, custom FROM people")), "nothing is lost"
    assert company.listed()["limit"]["promoted_as"] == ["staged/people.limit_amount"]
    status = company.run("status").output
    assert "staged/people (promoted_fields on 2 days" in " ".join(status.split())
    again = company.run(*asked, "--type", "text")
    assert again.exit_code == 1
    assert "has a column limit_amount already, which is made of limit" in again.output


@pytest.mark.thorough
@pytest.mark.soak_for("postgres")
def test_a_deprecated_field_is_listed_as_such_until_it_is_promoted(company: Company) -> None:
    company.done("backfill")
    told = company.done(
        "fields", "deprecate", "staged/people", "tier", "--reason", "gone", "--by", "Ann"
    )
    assert "tier of staged/people is deprecated; it is kept as before." in told
    found = company.listed()["tier"]
    assert (found["deprecated_by"], found["deprecation_reason"]) == ("Ann", "gone")
    since = found["deprecated_since"]
    company.done("fields", "deprecate", "raw/people", "tier", "--reason", "really")
    found = company.listed()["tier"]
    assert (found["deprecated_since"], found["deprecation_reason"]) == (since, "really")
    assert "by" in company.done("fields", "list", "raw/people")
    company.done("fields", "undeprecate", "raw/people", "tier")
    assert company.listed()["tier"]["deprecated_since"] is None
    assert "is not deprecated" in company.done("fields", "undeprecate", "raw/people", "tier")
    company.done("fields", "deprecate", "raw/people", "tier")
    company.done("fields", "promote", "raw/people", "tier", "--as", "tier", "--type", "text")
    assert company.listed()["tier"]["deprecated_since"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "raw/peeple"], "Did you mean raw/people"),
        (["deprecate", "raw/people", "teir"], "Did you mean tier"),
        (["promote", "raw/people", "tier", "--as", "tier", "--type", "money"], "decimal(18,2)"),
        (["promote", "raw/people", "tier", "--as", "Tier!", "--type", "text"], "a column's name"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(
    refusing: Company, arguments: list[str], told: str
) -> None:
    with importable(refusing.folder):
        refusing.read_modules_anew()
        result = refusing.run("fields", *arguments)
    assert result.exit_code in (1, 2)
    assert told in " ".join(result.output.split())


@pytest.mark.thorough
def test_a_module_that_is_not_plain_is_left_alone(forgetful: Company) -> None:
    forgetful.done("backfill")
    text = forgetful.module.read_text().replace("import polars as pl", "import polars\npl = polars")
    forgetful.module.write_text(text)
    asked = ("fields", "promote", "raw/people", "tier", "--as", "tier", "--type", "text")
    forgetful.done(*asked)
    result = forgetful.run(*asked, "--write")
    assert result.exit_code == 1
    assert "Put the printed lines into the contract yourself" in result.output
    assert forgetful.module.read_text() == text


@pytest.mark.thorough
def test_the_commands_of_the_page_do_what_it_says(shop: Shop, tmp_path: Path) -> None:
    package = tmp_path / "people_company"
    package.mkdir()
    (package / "__init__.py").touch()
    source = ROOT / "etl_assets" / "tables" / "customers.py"
    (package / "customers.py").write_text(source.read_text())
    changes = {
        "ETL_TABLES": "people_company",
        "ETL_HOME": str(tmp_path / "home"),
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    company = Company(shop.url, tmp_path, {**shop.environment, **changes})
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with importable(tmp_path):
        company.done("backfill")
        told = [company.done(*shlex.split(line)[1:]) for line in block.splitlines()]
        found = company.listed("staged/customers")
    assert "promoted as staged/customers.credit_limit" in told[4]
    assert "deprecated since" in told[4]
    assert found["credit_limit"]["promoted_as"] == ["staged/customers.credit_limit"]
    assert found["referrer"]["deprecated_since"] is None
