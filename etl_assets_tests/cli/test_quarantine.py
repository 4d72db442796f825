"""Quarantine is shown by rule and row by row, and comes in once the contract is mended."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

MODULE = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.policies import Thresholds
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        amount: Annotated[pl.Decimal, 9, 2] = column(description="Paid.", {bound})
        email: pl.String = column(description="Whose.", personal=True)
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

        class Config:
            unique = ["id"]

    TABLE = TableSpec(name="payments", source=PostgresTable("payments"), raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="Payments.",
        thresholds=Thresholds(max_bad_share={share}))
"""
SECRET = "somebody@example.com"
RULE = "amount: greater_than_or_equal_to(0)"


@pytest.fixture
def company(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """Four payments on two days: two negative ones and one that no decimal holds are set aside."""
    for name, bound, share in (
        ("payments_strict", "ge=0", 1.0),
        ("payments_exact", "ge=0", 0.1),
        ("payments_mended", "ge=-100", 1.0),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        module = textwrap.dedent(MODULE.format(bound=bound, share=share))
        (tmp_path / name / "payments.py").write_text(module)
    run(
        database_url,
        "CREATE TABLE payments (id bigint PRIMARY KEY, amount numeric, email text, "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
        f"INSERT INTO payments SELECT n, amount, '{SECRET}', '2024-01-01Z'::timestamptz + n % 2 * "
        "interval '1 day', '2024-01-05Z' FROM (VALUES (1, -5.0), (2, 7.5), (3, -6.0), (30, 'NaN')) "
        "AS given(n, amount)",
    )
    environment = {
        "DATABASE_URL": database_url,
        "ETL_TABLES": "payments_strict",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_FIRST_DAY": "2024-01-01",
        "ETL_LAST_DAY": "2024-01-02",
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        made = Shop(database_url, tmp_path, environment)
        done = made.run("sync", "--no-derive")
        assert done.exit_code == 0, done.output
        yield made


def test_rows_are_counted_by_rule_and_shown_without_what_is_personal(company: Shop) -> None:
    listed = company.run("quarantine", "list", "--json")
    assert [(one["table"], one["rule"], one["rows"]) for one in json.loads(listed.stdout)] == [
        ("raw/payments", RULE, 2),
        ("raw/payments", "amount: representable", 1),
    ]
    assert RULE in company.run("quarantine", "list").stdout

    shown = company.run("quarantine", "show", "raw/payments", "--rule", "greater", "--json")
    rows = json.loads(shown.stdout)
    assert [(row["day"], row["values"]["amount"]) for row in rows] == [
        ("2024-01-02", "-5.00"),
        ("2024-01-02", "-6.00"),
    ]
    everything = company.run("quarantine", "show", "raw/payments", "--most", "2")
    assert "1 more" in everything.stdout
    assert SECRET not in shown.stdout + everything.stdout
    told = company.run("quarantine", "show", "raw/payments", "--key", "id=3", "--personal")
    assert SECRET in told.stdout
    assert "id=30" not in told.stdout
    nothing = company.run("quarantine", "show", "raw/payments", "--day", "2024-01-09")
    assert "no such row" in nothing.stdout


@pytest.mark.thorough
def test_days_that_are_refused_whole_are_named_beside_the_quarantine(
    company: Shop, database_url: str
) -> None:
    exact = company.with_environment(ETL_TABLES="payments_exact")
    run(database_url, "INSERT INTO payments VALUES (4, -7, 'x', '2024-01-01Z', now())")
    done = exact.run("sync", "--no-derive")
    assert (done.exit_code, "Ended with errors after" in done.output) == (1, True), done.output
    told = exact.run("quarantine", "list")
    assert "none of their rows are here: raw/payments (1 day). etl-assets status" in told.stdout
    assert "Refused" not in exact.run("quarantine", "list", "staged/payments").stdout
    as_json = exact.run("quarantine", "list", "--json")
    assert json.loads(as_json.stdout)
    assert "Refused" in as_json.stderr


def test_a_mended_contract_lets_exactly_the_rows_in_that_keep_it(company: Shop) -> None:
    mended = company.with_environment(ETL_TABLES="payments_mended")
    done = mended.run("quarantine", "replay", "raw/payments", "--rule", RULE)
    assert done.exit_code == 0, done.output
    assert "2 rows in quarantine before, 0 now" in done.stdout
    with duckdb.connect(str(company.folder / "warehouse.duckdb"), read_only=True) as connection:
        ids = connection.execute("SELECT id FROM raw.payments ORDER BY id").fetchall()
    assert ids == [(1,), (2,), (3,)]
    left = json.loads(mended.run("quarantine", "list", "--json").stdout)
    assert [(one["rule"], one["rows"]) for one in left] == [("amount: representable", 1)]
    again = mended.run("quarantine", "replay", "raw/payments", "--rule", RULE)
    assert (again.exit_code, "no such row" in again.stdout) == (0, True)


@pytest.mark.thorough
def test_a_replay_names_what_to_do_next_only_where_something_was_published(company: Shop) -> None:
    nothing = company.run("quarantine", "replay", "raw/payments", "--rule", RULE)
    assert nothing.exit_code == 0, nothing.output
    assert nothing.stdout.endswith("raw/payments: 2 rows in quarantine before, 2 now.\n")
    mended = company.with_environment(ETL_TABLES="payments_mended")
    done = mended.run("quarantine", "replay", "raw/payments", "--rule", RULE)
    assert "0 now. etl-assets derive makes what is made of the days again." in done.stdout


@pytest.mark.thorough
def test_in_an_environment_quarantine_is_productions_until_its_day_is_the_environments(
    company: Shop,
) -> None:
    dev = company.with_environment(ETL_ENV="dev", ETL_TABLES="payments_mended")
    told = dev.run("quarantine", "list")
    assert "Environment dev: production is read where dev has published nothing." in told.stdout
    assert RULE in told.stdout
    done = dev.run("quarantine", "replay", "raw/payments", "--rule", RULE)
    assert done.exit_code == 0, done.output
    assert RULE not in dev.run("quarantine", "list").stdout
    assert RULE in company.run("quarantine", "list").stdout, "production is as it was"
