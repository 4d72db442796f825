"""An upsert into a PostgreSQL warehouse against inserts row by row and pandas' `to_sql`.

Half of the rows are there already, in a database that each run gets a copy of. `to_sql` cannot
upsert: it appends to an empty table, and is here for the speed of its inserts.
"""

import uuid
from collections.abc import Callable
from pathlib import Path

import polars as pl
import psycopg
from psycopg import sql

from benchmarks.batches import batches
from benchmarks.orders import staged_orders, write_orders
from benchmarks.part import Bench, Outcome, Part, race_outcome
from benchmarks.runner import Contender, interleaved
from benchmarks.source import Source
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Measured
from etl_assets.config import Settings
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.factory import open_warehouse

MULTI_SHARE = 0.25
_TEMPLATE = "upsert_template"


def contenders(multi_share: float) -> list[Contender]:
    """All of them, ours first; statements of many VALUES are so slow that they take a share."""
    scaled = f", scaled from {multi_share:.0%} of the rows" if multi_share < 1 else ""
    return [
        Contender("upsert", "our publication of changes: COPY, state", "upsert"),
        Contender("upsert_rows", "executemany of a row each, ON CONFLICT", "upsert_rows"),
        Contender("to_sql", "pandas to_sql, appends", "to_sql"),
        Contender(
            "to_sql_multi",
            f"pandas to_sql, multi, appends{scaled}",
            "to_sql",
            "multi",
            share=multi_share,
            once=True,
        ),
    ]


def measure_upserts(
    source: Source,
    folder: Path,
    rows: int,
    repeats: int,
    share: float,
    tell: Callable[[str], None],
) -> tuple[dict[str, Measured], list[Contender]]:
    """The medians by contender, and the contenders."""
    tell("filling a PostgreSQL warehouse")
    orders = write_orders(folder / "upserts", rows)
    _fill_template(source, folder, orders, rows)
    race = contenders(share)

    def new_database() -> dict[str, str]:
        name = f"upsert_{uuid.uuid4().hex[:8]}"
        _administrate(source, "CREATE DATABASE {} TEMPLATE {}", name, _TEMPLATE)
        return {"WAREHOUSE_URL": source.server.url(name)}

    medians = interleaved(race, str(orders), folder, rows, repeats, tell, new_database)
    return medians, race


def upsert_figures(medians: dict[str, Measured]) -> dict[str, float]:
    """Our publication as ratios to the others; all seconds and memory."""
    others = ("upsert_rows", "to_sql", "to_sql_multi")
    return {
        "upserted_rows": medians["upsert"].rows,
        **{
            f"upsert_over_{name.removeprefix('upsert_')}": medians["upsert"].seconds
            / medians[name].seconds
            for name in others
        },
        **{f"{name}_seconds": measured.seconds for name, measured in medians.items()},
        **{f"{name}_peak_rss_mb": measured.peak_rss_mb for name, measured in medians.items()},
    }


def _fill_template(source: Source, folder: Path, orders: Path, rows: int) -> None:
    every_other = (frame.filter(pl.col("id") % 2 == 0) for frame in batches(orders, rows))
    source.server.ensure_database(_TEMPLATE)
    url = source.server.url(_TEMPLATE)
    warehouse = open_warehouse(Settings(home=folder, warehouse_url=url))
    try:
        staged = staged_orders(every_other, folder / "template")
        publish_staged(warehouse, RAW_ORDERS, [staged], "bench")
    finally:
        warehouse.close()  # a database in use cannot be copied
    with psycopg.connect(url) as connection:
        columns = ", ".join(column.name for column in RAW_ORDERS.columns)
        for table, filled in (("upserted", "true"), ("appended", "false")):
            connection.execute(
                f"CREATE TABLE {table} AS SELECT {columns} FROM raw.orders WHERE {filled}".encode()
            )
            connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)".encode())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _administrate(source: Source, statement: str, *names: str) -> None:
    with psycopg.connect(source.server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _part(bench: Bench) -> Outcome:
    medians, race = measure_upserts(
        bench.source,
        bench.folder,
        bench.size("upsert-rows"),
        bench.size("repeats"),
        1.0 if bench.quick else MULTI_SHARE,
        bench.tell,
    )
    what = "rows of 11 columns, half of them there, into PostgreSQL"
    return race_outcome(upsert_figures(medians), medians, race, what, "ours")


PART = Part("postgres", "Changes into PostgreSQL", _part)
