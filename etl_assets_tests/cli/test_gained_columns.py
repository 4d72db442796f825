"""B10 as a person meets it: a column comes into a contract, and commands say and do the rest."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

MODULE = """
    import polars as pl
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import EnrichedSpec, TableSpec
    from etl_assets.core.table import Input

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")
{raw}
        class Config:
            unique = ["id"]

    class Staged(Contract):
        id: pl.Int64 = column(description="A number.")
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")
{staged}
        class Config:
            unique = ["id"]

    def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select({columns})

    TABLE = TableSpec(name="parcels", source=PostgresTable("parcels"), raw=Raw, staged=Staged,
        stage=stage, description="Parcels.")
"""
CHANNEL = '        channel: pl.String = column(description="Where from.", nullable=True)\n'
OF_BEFORE = '"id", "created_at", "updated_at"'
PACKAGES = {
    "parcels_before": MODULE.format(raw="", staged="", columns=OF_BEFORE),
    "parcels_raw": MODULE.format(raw=CHANNEL, staged="", columns=OF_BEFORE),
    "parcels_both": MODULE.format(raw=CHANNEL, staged=CHANNEL, columns=f'{OF_BEFORE}, "channel"'),
}


@pytest.fixture
def company(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """Three days of parcels, published by a contract without the channel that they have."""
    for name, text in PACKAGES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "parcels.py").write_text(textwrap.dedent(text))
    run(
        database_url,
        "CREATE TABLE parcels (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, "
        "updated_at timestamptz NOT NULL, channel text NOT NULL DEFAULT 'web')",
        "INSERT INTO parcels SELECT n, timestamptz '2024-01-01Z' + n % 3 * interval '1 day', "
        "'2024-01-05Z' FROM generate_series(1, 9) n",
    )
    environment = {
        "DATABASE_URL": database_url,
        "ETL_TABLES": "parcels_before",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_FIRST_DAY": "2024-01-01",
        "ETL_LAST_DAY": "2024-01-03",
        "ETL_LATE_DAYS_A_TICK": "2",
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        made = Shop(database_url, tmp_path, environment)
        done = made.run("sync")
        assert done.exit_code == 0, done.output
        yield made


def rows(shop: Shop, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(shop.folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def channels(shop: Shop, layer: str) -> list[tuple[Any, ...]]:
    return rows(shop, f"SELECT channel, count(*) FROM {layer}.parcels GROUP BY 1 ORDER BY 1")


@pytest.mark.thorough
def test_b10_each_sync_fills_some_days_and_what_is_made_of_them_follows(company: Shop) -> None:
    shop = company.with_environment(ETL_TABLES="parcels_both")
    told = shop.run("status")
    assert "3 days have no values of channel yet" in " ".join(told.stderr.split())
    early = shop.run("derive", "staged/parcels")
    assert early.exit_code == 0, early.output
    assert "channel" not in str(rows(shop, "DESCRIBE staged.parcels")), "made of missing values"

    first = shop.run("sync")
    assert first.exit_code == 0, first.output
    told_first = " ".join(first.stderr.split())
    assert "1 day has no values of channel yet, which the contract gained" in told_first
    assert "--from 2024-01-01 --to 2024-01-01" in told_first
    assert channels(shop, "raw") == [("web", 6), (None, 3)]
    assert channels(shop, "staged") == [("web", 6), (None, 3)]

    second = shop.run("sync")
    assert second.exit_code == 0, second.output
    assert "no values" not in second.stderr
    assert channels(shop, "raw") == channels(shop, "staged") == [("web", 9)]
    assert "late" not in shop.run("status").stderr


def test_b10_a_column_that_a_derived_table_does_not_read_stops_none_of_its_days(
    company: Shop,
) -> None:
    shop = company.with_environment(ETL_TABLES="parcels_raw")
    done = shop.run("backfill", "staged/parcels", "--from", "2024-01-01", "--to", "2024-01-03")
    assert done.exit_code == 0, done.output


@pytest.mark.thorough
def test_b10_a_day_made_by_hand_of_missing_values_is_refused_with_what_to_load(
    company: Shop,
) -> None:
    shop = company.with_environment(ETL_TABLES="parcels_both")
    done = shop.run("backfill", "staged/parcels", "--from", "2024-01-02", "--to", "2024-01-02")
    assert done.exit_code == 1
    told = " ".join(done.stderr.split())
    assert "raw/parcels has no values of channel yet on 2024-01-02" in told
    assert "etl-assets backfill raw/parcels --from 2024-01-02 --to 2024-01-02" in told
    both = shop.run("backfill", "--from", "2024-01-02", "--to", "2024-01-02")
    assert both.exit_code == 0, both.output
    assert channels(shop, "staged") == [("web", 3), (None, 6)]
