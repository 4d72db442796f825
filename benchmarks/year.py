"""A year of days of twelve tables, raw and staged, backfilled as `etl-assets backfill` does it.

The tables are small, so that what is measured is what a day costs: its reading, checks, state and
transaction, and Dagster's events. The work is `work/backfill.py`, with Dagster and without.
"""

import os
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
import psycopg
from psycopg import sql

from benchmarks.backfill_sheet import backfill_sheet
from benchmarks.part import Bench, Outcome, Part
from benchmarks.runner import measure
from benchmarks.task import Measured, Task
from etl_assets.core.contracts import Contract, column
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec

TABLES, ROWS_A_DAY = 12, 50
DATABASE, DAGSTER, PACKAGE = "year", "year_dagster", "bench_year"
FIRST = date(2024, 1, 1)
_SECONDS_A_PARTITION = 0.5  # on a machine that is busy with other things, too
_LEAST_SECONDS = 600
_CREATE = """
CREATE TABLE {table} (id bigint PRIMARY KEY, status text NOT NULL, amount_cents bigint NOT NULL,
    note text, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)
"""
_ROWS = """
INSERT INTO {table}
SELECT i, (array['new', 'paid', 'sent'])[1 + i % 3], i * 37 % 10000,
    CASE WHEN i % 4 = 0 THEN 'no. ' || i END, placed_at, placed_at
FROM generate_series(0::bigint, {rows} - 1) AS i,
    LATERAL (SELECT timestamptz '2024-01-01 00:00:00+00'
        + i * 86400000000 / {a_day} * interval '1 microsecond' AS placed_at) AS moment
"""


class RawThings(Contract):
    id: pl.Int64 = column(description="Number.", ge=0)
    status: pl.String = column(description="Where it stands.", isin=["new", "paid", "sent"])
    amount_cents: pl.Int64 = column(description="Sum.", unit="cents", ge=0)
    note: pl.String = column(description="Note.", nullable=True, max_null_ratio=0.9)
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When made.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique: ClassVar = ["id"]


class StagedThings(RawThings):
    is_paid: pl.Boolean = column(description="Whether it was paid.")

    class Config:
        unique: ClassVar = ["id"]


def _stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.with_columns((pl.col("status") != "new").alias("is_paid"))


def table_of(number: int) -> TableSpec:
    """The spec of one of the twelve tables."""
    name = f"things_{number:02}"
    return TableSpec(
        name=name,
        source=PostgresTable(name),
        raw=RawThings,
        staged=StagedThings,
        stage=_stage,
        description="One row a thing.",
    )


def _measure(bench: Bench) -> Outcome:
    days, partitions = bench.size("year-days"), bench.size("year-days") * TABLES * 2
    bench.tell(f"filling {TABLES} tables of {days} days")
    for database in (DATABASE, DAGSTER):
        bench.source.server.ensure_database(database)
    url = bench.source.server.url(DATABASE)
    _fill(url, days * ROWS_A_DAY)
    measured = {}
    for variant in ("plain", "dagster"):
        bench.tell(f"{days} days of {TABLES} tables, {variant}")
        task = Task(url, str(bench.folder / "home"), days, variant)
        timeout = max(_LEAST_SECONDS, partitions * _SECONDS_A_PARTITION)
        measured[variant] = measure("backfill", task, _environment(bench, url), timeout)
    return _outcome(measured, days, partitions)


def _environment(bench: Bench, url: str) -> dict[str, str]:
    folder = bench.folder / "package"
    _write_package(folder / PACKAGE)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {
        "DATABASE_URL": url,
        "ETL_TABLES": PACKAGE,
        "ETL_FIRST_DAY": FIRST.isoformat(),
        "PYTHONPATH": path,
        "DAGSTER_POSTGRES_URL": bench.source.server.url(DAGSTER)
        + "&options=-c%20synchronous_commit%3Doff",
    }


def _write_package(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("")
    for number in range(1, TABLES + 1):
        code = f"from benchmarks.year import table_of\n\nTABLE = table_of({number})\n"
        (folder / f"things_{number:02}.py").write_text(code)


def _fill(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(1, TABLES + 1):
            table = sql.Identifier(f"things_{number:02}")
            connection.execute(sql.SQL(_CREATE).format(table=table))
            connection.execute(
                sql.SQL(_ROWS).format(
                    table=table, rows=sql.Literal(rows), a_day=sql.Literal(ROWS_A_DAY)
                )
            )
            for columns in ("created_at", "updated_at, id"):
                index = sql.SQL("CREATE INDEX ON {} ({})")
                connection.execute(index.format(table, sql.SQL(columns)))
        connection.execute("VACUUM (ANALYZE)")


def _outcome(measured: dict[str, Measured], days: int, partitions: int) -> Outcome:
    figures: dict[str, float] = {"year_days": days, "year_table_partitions": partitions}
    for variant, one in measured.items():
        figures[f"year_{variant}_seconds"] = one.seconds
        figures[f"year_{variant}_cpu_seconds"] = one.cpu_seconds
        figures[f"year_{variant}_peak_rss_mb"] = one.peak_rss_mb
        figures[f"year_{variant}_partition_ms"] = 1000 * one.seconds / partitions
    what = f"{days} days of {TABLES} tables in two layers, {ROWS_A_DAY} rows a day each"
    sheet = backfill_sheet(what, figures, partitions, ours="year_dagster", plain="year_plain")
    return Outcome(figures, [sheet])


PART = Part("year", "A backfill of a year of twelve tables", _measure)
