"""M6: the demo's tables are the demo's. Who has tables of his own never hears of them."""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

TABLE = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

        class Config:
            unique = ["id"]

    TABLE = TableSpec(name="parcels", source=PostgresTable("parcels"), raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="Parcels.")
"""
OF_THE_DEMO = ["orders", "customers", "invoices", "shipments", "sales"]


@pytest.fixture
def company(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A database with one table, which is none of the demo's, and the package that declares it."""
    folder = tmp_path / "parcel_company"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "parcels.py").write_text(textwrap.dedent(TABLE))
    run(
        database_url,
        "CREATE TABLE parcels (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, "
        "updated_at timestamptz NOT NULL)",
        "CREATE INDEX ON parcels (updated_at, id)",
        "INSERT INTO parcels VALUES (1, '2024-01-01Z', '2024-01-01Z')",
    )
    environment = {
        "DATABASE_URL": database_url,
        "ETL_TABLES": "parcel_company",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_LAST_DAY": "2024-01-02",
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        yield Shop(database_url, tmp_path, environment)


@pytest.mark.parametrize("command", ["doctor", "dictionary"])
def test_m6_a_database_without_the_demos_tables_misses_nothing(company: Shop, command: str) -> None:
    done = company.run(command)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "raw/parcels" in done.stdout
    assert not [name for name in OF_THE_DEMO if f"raw/{name}" in done.stdout]


def test_m6_a_table_of_the_demo_is_unknown_beside_tables_of_ones_own(company: Shop) -> None:
    for command in ("doctor", "sync", "backfill", "reconcile"):
        done = company.run(command, "raw/orders")
        assert done.exit_code == 2, command
        assert "There is no table raw/orders" in done.stderr


@pytest.mark.parametrize("tables", ["", "etl_assets.tables"])
def test_m6_where_a_database_has_none_of_the_demos_tables_doctor_says_whose_they_are(
    company: Shop, tables: str
) -> None:
    """What ETL_TABLES was forgotten for."""
    done = company.run("doctor", ETL_TABLES=tables)
    assert done.exit_code == 1
    assert "public.orders" in done.stderr
    assert done.stderr.count("These tables are the demo shop's.") == 1
    assert "ETL_TABLES=my_company.tables" in done.stderr


def test_m6_nothing_is_said_of_the_demo_where_its_tables_fit_or_nothing_can_be_reached(
    company: Shop, shop: Shop
) -> None:
    away = "postgresql://nobody@127.0.0.1:1/nothing"
    for done in (
        shop.run("doctor"),
        shop.run("doctor", "raw/orders", DATABASE_URL=away),
        company.run("doctor", DATABASE_URL=away),
    ):
        assert "demo shop" not in done.stderr


def test_b4_doctor_says_what_cannot_be_guaranteed_of_a_materialised_view(company: Shop) -> None:
    told = "What cannot be guaranteed for a source"
    assert told not in company.run("doctor").stdout
    run(
        company.url,
        "ALTER TABLE parcels RENAME TO base",
        "CREATE MATERIALIZED VIEW parcels AS SELECT * FROM base",
        "CREATE INDEX ON parcels (updated_at, id)",
    )
    done = company.run("doctor", COLUMNS="200")
    assert (done.exit_code, done.stderr) == (0, "")
    assert told in done.stdout
    assert "public.parcels is a materialised view" in done.stdout
    assert company.run("sync").exit_code == 0


@pytest.mark.thorough
def test_b9_a_column_that_is_not_read_is_told_once_by_name_until_it_is_ignored(
    company: Shop,
) -> None:
    run(
        company.url,
        "ALTER TABLE parcels ADD blob bytea",
        "INSERT INTO parcels SELECT n, '2024-01-01Z', '2024-01-01Z' FROM generate_series(2, 9) n",
        "UPDATE parcels SET created_at = '2024-01-02Z' WHERE id > 5",
    )
    made = company.run("backfill", "raw/parcels", "--from", "2024-01-01", "--to", "2024-01-02")
    assert made.exit_code == 0
    (line,) = json.loads(company.run("status", "--json").stdout)["published"]
    assert (line["checks_failed"], line["not_in_contract"]) == (1, ["blob (bytea)"])
    assert company.run("status").stderr.count("blob (bytea)") == 1

    module = company.folder / "parcel_company" / "parcels.py"
    ignoring = 'description="Parcels.", ignore=["blob", "nowhere"])'
    module.write_text(module.read_text().replace('description="Parcels.")', ignoring))
    sys.modules.pop("parcel_company.parcels")
    (line,) = json.loads(company.run("status", "--json").stdout)["published"]
    assert (line["checks_failed"], line["not_in_contract"]) == (0, [])
    done = company.run("doctor", COLUMNS="200")
    assert done.exit_code == 0
    assert "its spec ignores nowhere, which the source does not have" in done.stderr
    assert "blob" not in done.stdout


def test_b5_m10_doctor_says_what_each_sync_costs_and_which_index_it_wants(company: Shop) -> None:
    table = company.folder / "parcel_company" / "parcels.py"
    greatest = 'description="Parcels.", cursor_column=("updated_at", "created_at"))'
    table.write_text(textwrap.dedent(TABLE).replace('description="Parcels.")', greatest))
    done = company.run("doctor", COLUMNS="200")
    assert done.exit_code == 0
    assert "a scan of the whole table, about" in done.stdout
    assert "greatest(updated_at, created_at) (a moment)" in done.stdout
    statement = "CREATE INDEX CONCURRENTLY ON public.parcels (GREATEST(updated_at, created_at), id)"
    assert (
        f"raw/parcels: no index serves its sync. In its database run: {statement};" in done.stderr
    )
    run(company.url, statement)
    done = company.run("doctor", COLUMNS="200")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "an index range, about" in done.stdout
    assert company.run("sync").exit_code == 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("dtype", "type_"), [("pl.Float64", "float8"), ("pl.List(pl.Int32)", "int4[]")]
)
def test_b5_a_reconciliation_of_all_names_the_tables_whose_keys_it_cannot_compare(
    company: Shop, dtype: str, type_: str
) -> None:
    module = textwrap.dedent(TABLE).replace("parcels", "readings").replace("pl.Int64", dtype)
    (company.folder / "parcel_company" / "readings.py").write_text(module)
    run(
        company.url,
        f"CREATE TABLE readings (id {type_} PRIMARY KEY, created_at timestamptz NOT NULL, "
        "updated_at timestamptz NOT NULL)",
    )
    told = "raw/readings: not compared, for no checksum covers its key."
    done = company.run("reconcile", COLUMNS="200")
    assert f"{told} Load its days again: etl-assets backfill raw/readings." in done.stdout
    assert "raw/readings" not in company.run("reconcile", "raw/parcels").stdout
    named = company.run("reconcile", "raw/readings")
    assert named.exit_code == 2
    assert "raw/readings cannot be compared" in named.stderr
