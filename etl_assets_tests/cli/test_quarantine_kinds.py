"""A mended contract lets exactly the rows in that keep it: of raw and staged tables, of tables
without days, and of files."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

HEAD = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.file_formats import Csv
    from etl_assets.core.policies import Thresholds
    from etl_assets.core.source_specs import Files, PostgresTable
    from etl_assets.core.spec import TableSpec

    ANY = Thresholds(max_bad_share=1.0)

    class Base(Contract):
        id: pl.Int64 = column(description="A number.")
        amount: pl.Int64 = column(description="Paid.")
        mail: pl.String = column(description="Whose.", personal=True)
"""
MOMENTS = """
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")
"""
KEY = """
        class Config:
            unique = ["id"]
"""
STRICT = """
        amount: pl.Int64 = column(description="Paid.", ge={least})
"""
MODULES = {
    "payments": f"{HEAD}    class Raw(Base):{MOMENTS}{STRICT}{KEY}"
    """
    TABLE = TableSpec(name="payments", source=PostgresTable("payments"), raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="Payments.", thresholds=ANY)
""",
    "refunds": f"{HEAD}    class Raw(Base):{MOMENTS}{KEY}\n    class Staged(Raw):{STRICT}{KEY}"
    """
    TABLE = TableSpec(name="refunds", source=PostgresTable("payments"), raw=Raw, staged=Staged,
        stage=lambda raw: raw, description="The same, strict in staged only.", thresholds=ANY)
""",
    "limits": f"{HEAD}    class Raw(Base):{STRICT}{KEY}"
    """
    TABLE = TableSpec(name="limits", source=PostgresTable("limits"), raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="No days.", partition_column=None, cursor_column=None,
        thresholds=ANY)
""",
    "drops": f"{HEAD}    class Raw(Base):\n"
    """        day: pl.Date = column(description="Of the file.")
"""
    f"{STRICT}"
    """
        class Config:
            unique = ["day", "id"]

    TABLE = TableSpec(name="drops", source=Files("{{day:%Y-%m-%d}}.csv", Csv(), location="{store}",
        day_column="day"), raw=Raw, staged=Raw, stage=lambda raw: raw, description="Files.",
        partition_column="day", cursor_column=None, thresholds=ANY)
""",
}
SECRET = "somebody@example.com"
AMOUNTS = {1: -5, 2: 50, 3: -500, 4: 7}
"""By id, two on each day: with `ge=0` ids 1 and 3 are set aside, with `ge=-100` only 3."""

TABLES = ["raw/payments", "staged/refunds", "raw/limits", "raw/drops"]


@pytest.fixture(scope="module")
def company(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Four kinds of tables, loaded by a contract that is too strict."""
    folder = tmp_path_factory.mktemp("strict")
    store = folder / "store"
    store.mkdir()
    for package, least in (("kinds_strict", 0), ("kinds_mended", -100)):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
        for name, text in MODULES.items():
            given = text.format(least=least, store=f"file://{store}")
            (folder / package / f"{name}.py").write_text(textwrap.dedent(given))
    values = ", ".join(f"({key}, {amount})" for key, amount in AMOUNTS.items())
    postgres.ensure_database("quarantine_kinds")
    url = postgres.url("quarantine_kinds")
    run(
        url,
        "CREATE TABLE payments (id bigint PRIMARY KEY, amount bigint, mail text, created_at "
        "timestamptz, updated_at timestamptz)",
        f"INSERT INTO payments SELECT n, amount, '{SECRET}', timestamptz '2024-01-01Z' + n % 2 * "
        f"interval '1 day', '2024-01-05Z' FROM (VALUES {values}) AS given(n, amount)",
        "CREATE TABLE limits (id bigint PRIMARY KEY, amount bigint, mail text)",
        "INSERT INTO limits SELECT id, amount, mail FROM payments",
    )
    for day in (0, 1):
        rows = [f"{n},{amount},{SECRET}" for n, amount in AMOUNTS.items() if n % 2 == day]
        lines = "\n".join(["id,amount,mail", *rows])
        (store / f"2024-01-0{1 + day}.csv").write_text(f"{lines}\n")
    environment = {
        "DATABASE_URL": url,
        "ETL_TABLES": "kinds_strict",
        "ETL_HOME": str(folder / "home"),
        "ETL_FIRST_DAY": "2024-01-01",
        "ETL_LAST_DAY": "2024-01-02",
        "WAREHOUSE_URL": f"duckdb://{folder}/warehouse.duckdb",
    }
    with importable(folder):
        made = Shop(url, folder, environment)
        done = made.run("backfill")
        assert done.exit_code == 0, done.output
        yield made


def rows(shop: Shop, table: str) -> dict[int, Any]:
    """Amount by id of what is published."""
    name = table.replace("/", ".")
    with duckdb.connect(str(shop.folder / "warehouse.duckdb"), read_only=True) as connection:
        return dict(connection.execute(f"SELECT id, amount FROM {name}").fetchall())


@pytest.mark.thorough_but("raw/payments")
@pytest.mark.parametrize("table", TABLES)
def test_exactly_the_rows_come_in_that_keep_the_mended_contract(company: Shop, table: str) -> None:
    assert rows(company, table) == {2: 50, 4: 7}
    mended = company.with_environment(ETL_TABLES="kinds_mended")
    shown = mended.run("quarantine", "show", table, "--json")
    found = json.loads(shown.stdout)
    assert sorted(int(one["values"]["amount"]) for one in found) == [-500, -5]
    assert SECRET not in shown.output
    by_key = mended.run("quarantine", "show", table, "--key", "id=1", "--json")
    assert [int(one["values"]["amount"]) for one in json.loads(by_key.stdout)] == [-5]

    done = mended.run("quarantine", "replay", table)
    assert done.exit_code == 0, done.output
    assert "2 rows in quarantine before, 1 now" in " ".join(done.stdout.split())
    assert rows(company, table) == {1: -5, 2: 50, 4: 7}
    left = json.loads(mended.run("quarantine", "show", table, "--json").stdout)
    assert [int(one["values"]["amount"]) for one in left] == [-500]
