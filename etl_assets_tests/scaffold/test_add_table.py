"""`etl-assets add-table` as a person meets it: what is written, refused, guessed and said."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.cursor import Epoch, Version
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.scaffold.adding import imported
from etl_assets.table_modules import tables_from
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

SCHEMA = (
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TABLE payments (id bigint PRIMARY KEY, email text, amount numeric(10, 2) NOT NULL "
    "CHECK (amount > 0), state mood NOT NULL, note varchar(40) CHECK (note IN ('a', 'b')), "
    "guess int, created_at timestamptz NOT NULL, updated_at timestamptz, changed_ms bigint, "
    "version bigint, local_at timestamp, due_on date NOT NULL)",
    "INSERT INTO payments SELECT n, format('p%s@example.org', n), n, 'good', 'a', n % 7, "
    "timestamptz '2024-01-01Z' + n * interval '30 seconds', NULL, 1704067200000 + n, n, "
    "'2024-01-01', '2099-01-01' FROM generate_series(1, 12000) AS n",
    "COMMENT ON TABLE payments IS 'What was paid.'",
    "COMMENT ON COLUMN payments.amount IS 'In euros.'",
    "CREATE TABLE nothing ()",
    "CREATE TABLE twice (a text, b text)",
    "INSERT INTO twice VALUES ('x', 'y'), ('x', 'y')",
    "CREATE VIEW dividing AS SELECT n AS id, 1 / (n - 3) AS q FROM generate_series(1, 10) AS n",
    "CREATE VIEW slow AS SELECT n AS id, pg_sleep(1)::text AS t FROM generate_series(1, 99) AS n",
    "CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS id WITH NO DATA",
    "CREATE TABLE secured (id int PRIMARY KEY)",
    "ALTER TABLE secured ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY part ON secured USING (id > 1)",
    "CREATE TABLE forbidden (id int PRIMARY KEY)",
    'CREATE SCHEMA "My Shop"',
    'CREATE TABLE "My Shop"."The ""Table""" ("Key" int PRIMARY KEY, "a.b" text)',
    'CREATE TABLE "My Shop".payments (id int PRIMARY KEY)',
)


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("add_table_source")
    found = postgres.url("add_table_source")
    run(found, *SCHEMA)
    columns = ", ".join(f"column_{n} {('text', 'numeric(9, 2)')[n % 2]}" for n in range(999))
    run(found, f"CREATE TABLE wide (id int PRIMARY KEY, {columns})")
    return found


@pytest.fixture
def shop(url: str, tmp_path: Path) -> Iterator[Shop]:
    """A package without tables, and the database."""
    package = tmp_path / "pay_company" / "tables"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    environment = {
        "DATABASE_URL": url,
        "DATABASE_URL_BILLING": url,
        "ETL_TABLES": "pay_company.tables",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_LAST_DAY": "2024-02-01",
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        yield Shop(url, tmp_path, environment)


def printed(shop: Shop, *arguments: str) -> LayerTable:
    """The raw table that the command would write."""
    done = shop.run("add-table", *arguments, "--dry-run")
    assert done.exit_code == 0, done.output
    return next(iter(Catalog.of([imported(done.stdout)]).values()))


def refusal(shop: Shop, *arguments: str) -> str:
    done = shop.run("add-table", *arguments)
    assert done.exit_code in (1, 2), done.output
    assert "did not expect" not in done.output
    assert not list((shop.folder / "pay_company" / "tables").glob("[a-z]*.py"))
    return done.stderr


def test_a_table_is_written_with_its_test_and_the_next_backfill_loads_it(shop: Shop) -> None:
    done = shop.run("add-table", "public.payments", "--as", "refunds", "--connection", "billing")
    assert done.exit_code == 0, done.output
    module = shop.folder / "pay_company" / "tables" / "refunds.py"
    test = shop.folder / "tests" / "test_refunds.py"
    assert done.stdout.splitlines()[:2] == [str(module), str(test)]
    assert "Key id: it is the primary key." in done.stdout
    assert "Next: etl-assets backfill raw/refunds staged/refunds" in done.stdout
    assert "from pay_company.tables.refunds import TABLE" in test.read_text()
    loaded = shop.run("backfill", "raw/refunds", "staged/refunds")
    assert loaded.exit_code == 0, loaded.output
    status = shop.run("status", "--json").stdout
    assert '"rows": 12000' in status.replace("12,000", "12000")


def test_what_the_source_guarantees_is_a_rule_and_what_was_seen_is_not(shop: Shop) -> None:
    table = printed(shop, "payments")
    rules = {column.name: column.rules for column in table.columns if column.rules}
    assert rules == {
        "amount": ("greater_than(0)",),
        "state": ("isin(['good', 'bad'])",),
        "note": ("isin(['a', 'b'])",),
    }
    required = {column.name for column in table.columns if not column.nullable}
    assert required == {"id", "amount", "state", "created_at", "due_on"}
    assert [column.name for column in table.columns if column.personal] == ["email"]
    assert table.column("amount").description == "In euros."
    assert table.description.startswith("What was paid.")
    text = shop.run("add-table", "payments", "--dry-run").stdout
    assert "# From 0 to 6 now. Is that a rule? Then write ge and le." in text
    assert "example.org" not in text


def test_shares_of_nulls_only_warn(shop: Shop) -> None:
    table = printed(shop, "payments")
    bounded = {c.name: c.max_null_ratio for c in table.columns if c.max_null_ratio is not None}
    assert "updated_at" not in bounded
    assert not bounded or str(table.thresholds.severities["null_ratios"]) == "warn"


def test_key_day_and_cursor_are_proposed_and_may_be_said(shop: Shop) -> None:
    table = printed(shop, "payments")
    assert (table.key, table.partition_column) == (("id",), "created_at")
    assert table.cursor_column == ("updated_at", "created_at")
    said = printed(shop, "payments", "--day", "due_on", "--cursor", "version", "--key", "id,email")
    assert (said.key, said.partition_column) == (("id", "email"), "due_on")
    assert said.cursor_column == Version("version")
    none = printed(shop, "payments", "--day", "none", "--cursor", "none")
    assert (none.partition_column, none.cursor_column) == (None, None)
    epoch = printed(shop, "payments", "--cursor", "changed_ms")
    assert epoch.cursor_column == Epoch("changed_ms", "milliseconds")


def test_a_clock_without_a_zone_is_no_moment_until_somebody_says_its_zone(shop: Shop) -> None:
    assert printed(shop, "payments").column("local_at").dtype == pl.Datetime("us")
    said = printed(shop, "payments", "--zone", "Europe/Berlin", "--cursor", "local_at")
    column = said.column("local_at")
    assert (column.dtype, column.source_zone) == (pl.Datetime("us", "UTC"), "Europe/Berlin")
    told = refusal(shop, "payments", "--cursor", "local_at")
    assert "The clock of local_at of public.payments has no zone" in told
    assert "--zone UTC" in told


@pytest.mark.thorough
def test_a_table_of_a_thousand_columns_is_one_that_loads(shop: Shop) -> None:
    table = printed(shop, "wide")
    assert len(table.columns) == 1000
    done = shop.run("add-table", "wide")
    assert done.exit_code == 0, done.output
    assert len(tables_from(["pay_company.tables"])["raw/wide"].columns) == 1000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["paymets"], "Did you mean 'public.payments'"),
        (["nothing"], "public.nothing has no columns."),
        (["twice"], 'ALTER TABLE "public"."twice" ADD COLUMN id bigint GENERATED ALWAYS'),
        (["twice"], "--key a,b"),
        (["dividing"], "public.dividing (SQLSTATE 22012)"),
        (["slow", "--seconds", "1"], "public.slow gives no rows within 1 seconds."),
        (["unfilled"], 'REFRESH MATERIALIZED VIEW "public"."unfilled";'),
        (["payments", "--key", "nope"], "has no column 'nope'."),
        (["payments", "--day", "email"], "which has no days. Write one of created_at"),
        (["payments", "--zone", "Mars/X"], "knows no zone 'Mars/X'"),
        (["payments", "--as", "No Name"], "(--as no_name)"),
        (["payments", "--connection", "other"], "DATABASE_URL_OTHER is not set"),
        (["payments", "--into", "no.such.package"], "no.such.package is no package"),
        (["--all", "--schema", "publc"], "Write one of My Shop, public after --schema."),
        (["--all", "--key", "a"], "are for one table"),
        ([], "Name a table"),
        (["https://127.0.0.1:1/v1/x", "--day", "none"], "--day is for tables of a database"),
        (["ftp://h/x"], "ftp:// is no kind of source."),
    ],
)
def test_what_cannot_be_added_is_told_with_what_to_write(
    shop: Shop, arguments: list[str], told: str
) -> None:
    assert told in " ".join(refusal(shop, *arguments).split())


def test_a_reason_that_several_tables_share_is_told_once(shop: Shop, url: str) -> None:
    run(
        url,
        "DROP ROLE IF EXISTS outsider",
        "CREATE ROLE outsider LOGIN",
        "CREATE SCHEMA closed",
        *(f"CREATE TABLE closed.t{n} (id bigint PRIMARY KEY)" for n in range(3)),
    )
    outsider = shop.with_environment(DATABASE_URL=url.replace("postgres:@", "outsider:@"))
    told = outsider.run("add-table", "--all", "--schema", "closed").stderr
    assert told.count("permission denied for schema closed") == 1
    assert "The same is true of closed.t1, closed.t2." in " ".join(told.split())


def test_what_a_role_may_not_read_is_told_with_the_grant(shop: Shop, url: str) -> None:
    run(url, "DROP ROLE IF EXISTS pay_reader", "CREATE ROLE pay_reader LOGIN")
    run(url, "GRANT SELECT ON secured, payments TO pay_reader")
    reader = shop.with_environment(DATABASE_URL=url.replace("postgres:@", "pay_reader:@"))
    told = refusal(reader, "secured")
    assert "Row security of public.secured hides rows from the role pay_reader" in told
    assert "write --row-security" in told
    assert printed(reader, "secured", "--row-security").source == PostgresTable(
        "secured", row_security=True
    )
    assert 'GRANT SELECT ON "public"."forbidden" TO pay_reader;' in refusal(reader, "forbidden")
    run(url, "REVOKE ALL ON secured, payments FROM pay_reader", "DROP ROLE pay_reader")


def test_names_are_found_however_they_are_quoted(shop: Shop) -> None:
    for name in ('My Shop.The "Table"', '"My Shop"."The ""Table"""', 'The "Table"'):
        table = printed(shop, name)
        assert table.source == PostgresTable('The "Table"', schema="My Shop")
        assert {c.name: c.in_source for c in table.columns} == {"Key": "Key", "a_b": "a.b"}
        assert table.domain == "my_shop"
    assert printed(shop, "payments").source == PostgresTable("payments")


@pytest.mark.thorough
def test_a_plan_writes_nothing_and_yes_writes_what_it_says(shop: Shop) -> None:
    package = shop.folder / "pay_company" / "tables"
    plan = shop.run("add-table", "--all", "--seconds", "2")
    assert plan.exit_code == 0
    assert "Nothing is written yet" in plan.stdout
    assert [path.name for path in package.glob("*.py")] == ["__init__.py"]
    for name in ("public.payments", "public.wide", "public.secured"):
        assert name in plan.stdout
    for name in ("public.twice", "public.dividing", "public.slow", "public.unfilled"):
        assert f"{name} " in plan.stderr or f"{name}" in plan.stderr
    told = json.loads(shop.run("add-table", "--all", "--seconds", "2", "--json").stdout)
    by_source = {one["source"]: one for one in told}
    assert by_source["public.payments"]["key"]["chosen"] == "id"
    assert by_source["public.payments"]["key"]["is_guess"] is False
    assert "has no key" in by_source["public.twice"]["refused"]
    done = shop.run("add-table", "--all", "--seconds", "2", "--yes")
    assert done.exit_code == 1
    names = {path.stem for path in package.glob("[a-z]*.py")}
    assert names == {"payments", "wide", "secured", "forbidden"}
    assert not tables_from(["pay_company.tables"]).errors
    again = shop.run("add-table", "--all", "--schema", "My Shop", "--yes")
    assert again.exit_code == 0, again.output
    assert {path.stem for path in package.glob("[a-z]*.py")} - names == {
        "my_shop_payments",
        "the_table",
    }


def test_a_module_that_is_there_is_never_overwritten(shop: Shop) -> None:
    path = shop.folder / "pay_company" / "tables" / "payments.py"
    path.write_text("# mine\n")
    done = shop.run("add-table", "payments")
    assert done.exit_code == 1
    assert f"{path} is there already. Nothing is overwritten: give the table another name" in (
        done.stderr
    )
    assert path.read_text() == "# mine\n"
    test = shop.folder / "tests" / "test_other.py"
    test.parent.mkdir()
    test.write_text("# mine too\n")
    assert shop.run("add-table", "payments", "--as", "other").exit_code == 0
    assert test.read_text() == "# mine too\n"
    ast.parse((path.parent / "other.py").read_text())


def test_not_null_is_taken_only_where_it_holds_for_all_that_is_read(
    shop: Shop, icu_database_url: str
) -> None:
    """Of PostgreSQL before 18, whose tables that inherit may have dropped it, and of a foreign
    table, whose server nobody here knows."""
    run(
        icu_database_url,
        "CREATE TABLE vehicles (id int PRIMARY KEY, name text NOT NULL, wheels int NOT NULL)",
        "CREATE TABLE trucks () INHERITS (vehicles)",
        "ALTER TABLE trucks ALTER name DROP NOT NULL",
        "INSERT INTO vehicles VALUES (1, 'bike', 2)",
        "INSERT INTO trucks VALUES (2, NULL, 6)",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid')",
        "CREATE USER MAPPING FOR PUBLIC SERVER away",
        "CREATE FOREIGN TABLE far (id int NOT NULL) SERVER away",
    )
    there = shop.with_environment(DATABASE_URL=icu_database_url)
    table = printed(there, "vehicles")
    assert {c.name for c in table.columns if not c.nullable} == {"id", "wheels"}
    told = refusal(there, "far", "--seconds", "5")
    assert "public.far" in told
