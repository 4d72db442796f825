"""What a person sees of a table that keeps what its source prunes, and of its closed days (R4)."""

import json
import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from etl_assets.config import Settings
from etl_assets.core.keeping import CLOSED_TAG, LOAD_CLOSED
from etl_assets.core.partitions import Window
from etl_assets.orchestration.backfill import backfill, run_range
from etl_assets.orchestration.build import build_definitions
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.importable import importable
from etl_assets_tests.source_tables import run

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 3)
TABLE = """
    import polars as pl
    from datetime import timedelta
    from typing import Annotated
    from etl_assets.core.contracts import Contract, column
    from etl_assets.core.policies import Deletes, Thresholds
    from etl_assets.core.source_specs import PostgresTable
    from etl_assets.core.spec import TableSpec

    class Raw(Contract):
        id: pl.Int64 = column(description="A number.")
        gone_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Gone.", nullable=True)
        created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
        updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

        class Config:
            unique = ["id"]

    TABLE = TableSpec(name="{name}", source=PostgresTable("{name}"), raw=Raw, staged=Raw,
        stage=lambda raw: raw, description="A test's.", deletes=Deletes.KEEP, {keeping})
"""


@pytest.fixture
def company(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """`parcels` closes the first two of three days; `letters` keeps all that was ever there."""
    folder = tmp_path / "post_company"
    folder.mkdir()
    (folder / "__init__.py").touch()
    opened = datetime.now(UTC) - datetime(2024, 1, 3, tzinfo=UTC)
    hours = int(opened.total_seconds() // 3600) + 3
    tables = {
        "parcels": f"keep_before=timedelta(hours={hours})",
        "letters": 'kept_column="gone_at", thresholds=Thresholds(max_deleted_share=0.0)',
    }
    for name, keeping in tables.items():
        module = textwrap.dedent(TABLE).replace("{name}", name).replace("{keeping}", keeping)
        if name == "parcels":
            module = module.replace("gone_at:", "noted_at:")
        (folder / f"{name}.py").write_text(module)
        note = "noted_at" if name == "parcels" else "gone"
        run(
            database_url,
            f"CREATE TABLE {name} (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, "
            f"updated_at timestamptz NOT NULL, {note} timestamptz)",
            f"INSERT INTO {name} SELECT n, '2024-01-01Z'::timestamptz + n % 3 * interval '1 day', "
            "'2024-01-01Z' FROM generate_series(1, 30) n",
        )
    environment = {
        "DATABASE_URL": database_url,
        "ETL_TABLES": "post_company",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_LAST_DAY": LAST.isoformat(),
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        yield Shop(database_url, tmp_path, environment)


def count(company: Shop, query: str) -> int:
    with duckdb.connect(str(company.folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(f"SELECT count(*) FROM {query}").fetchall()[0][0]


@pytest.mark.soak
def test_r4_closed_days_are_told_passed_over_refused_or_loaded_on_purpose(company: Shop) -> None:
    first = company.run("backfill", "raw/parcels")
    assert (first.exit_code, count(company, "raw.parcels")) == (0, 30)
    run(company.url, "DELETE FROM parcels WHERE id <= 6")

    named = company.run("backfill", "raw/parcels", "--from", "2024-01-01", "--to", "2024-01-03")
    assert named.exit_code == 1
    told = " ".join(named.output.split())
    assert "raw/parcels: 2 days from 2024-01-01 to 2024-01-02 are published and not loaded" in told
    assert "--from 2024-01-01 --to 2024-01-02 --even-closed" in told
    assert f"tag {CLOSED_TAG} with the value {LOAD_CLOSED}" in told
    assert "not published" not in told
    # The day that is open follows the source.
    assert count(company, "raw.parcels") == 28

    meant = company.run(
        "backfill", "raw/parcels", "--from", "2024-01-01", "--to", "2024-01-02", "--even-closed"
    )
    assert meant.exit_code == 0, meant.output
    assert count(company, "raw.parcels") == 28

    found = company.run("reconcile", "raw/parcels", "--repair")
    assert found.exit_code == 0, found.output
    assert "raw/parcels: days before 2024-01-03 are closed, and were not compared." in found.output
    shown = company.run("status")
    assert "raw/parcels: days before 2024-01-03 are closed (keep_before), 2 of them" in " ".join(
        shown.output.split()
    )
    (line,) = [
        one
        for one in json.loads(company.run("status", "--json").stdout)["published"]
        if one["table"] == "raw/parcels"
    ]
    assert line["open_from"] == "2024-01-03"
    assert line["verified_through"] is not None


@pytest.mark.soak
def test_r4_closed_days_are_passed_over_where_nobody_named_them(company: Shop) -> None:
    assert company.run("backfill", "raw/parcels").exit_code == 0
    unnamed = company.run("backfill", "raw/parcels")
    assert unnamed.exit_code == 0
    assert "2 days from 2024-01-01 to 2024-01-02 are published" in " ".join(unnamed.output.split())


@pytest.mark.soak
def test_r4_kept_rows_are_counted_wherever_a_table_is_looked_at(company: Shop) -> None:
    assert company.run("backfill", "raw/letters", "staged/letters").exit_code == 0
    run(company.url, "DELETE FROM letters WHERE id <= 9")
    looked = company.run("reconcile", "raw/letters")
    assert looked.exit_code == 0, looked.output
    assert "raw/letters: 9 rows that the source no longer has stay." in looked.output
    assert "9 of them do not say so yet" in looked.output
    assert count(company, "staged.letters WHERE gone_at IS NOT NULL") == 0
    done = company.run("reconcile", "raw/letters", "--repair")
    assert done.exit_code == 0, done.output
    assert "do not say so" not in done.output
    assert count(company, "raw.letters WHERE gone_at IS NOT NULL") == 9
    assert company.run("derive").exit_code == 0
    assert count(company, "staged.letters WHERE gone_at IS NOT NULL") == 9
    assert "raw/letters keeps 9 rows that the source no longer has." in company.run("status").output
    assert company.run("backfill", "raw/letters").exit_code == 0
    assert count(company, "raw.letters WHERE gone_at IS NOT NULL") == 9


def test_r4_doctor_tells_a_source_column_with_the_name_of_the_mark(company: Shop) -> None:
    run(company.url, "ALTER TABLE letters RENAME COLUMN gone TO gone_at")
    told = " ".join(company.run("doctor").output.split())
    assert "raw/letters: The source has a column 'gone_at' too, which is not read" in told
    assert "raw/parcels: Days before 2024-01-03 are closed" in told


@pytest.mark.thorough
def test_r4_a_run_of_the_ui_is_refused_its_closed_days_and_the_others_go_on(company: Shop) -> None:
    settings = Settings(
        home=company.folder / "ui",
        first_day=FIRST,
        last_day=LAST,
        database_url=company.url,
        tables=("post_company",),
    )
    platform = Platform(settings)
    definitions = build_definitions(settings, overrides={"platform": platform})
    window = Window(FIRST, LAST)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_range(definitions, instance, ["raw/parcels"], window).success
        again = run_range(definitions, instance, ["raw/parcels"], window)
        assert not again.success
        (failure,) = [event for event in again.all_events if event.is_step_failure]
        error = failure.step_failure_data.user_failure_data
        assert error is not None
        assert error.description is not None
        assert error.description.startswith("raw/parcels: 2 days from 2024-01-01 to 2024-01-02")
        assert "are published and not loaded again" in error.description
        done = [e.partition for e in again.all_events if e.is_step_materialization]
        assert done == [LAST.isoformat()]
        named = backfill(platform, ["raw/parcels"], window, instance)
        assert named.closed == {"raw/parcels": {FIRST, date(2024, 1, 2)}}
        assert named.done == {"raw/parcels": {LAST}}
        assert len(named.messages) == 1
        assert not named.succeeded
        tags = {CLOSED_TAG: LOAD_CLOSED}
        assert run_range(definitions, instance, ["raw/parcels"], window, tags).success
    platform.close()
