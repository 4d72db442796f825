"""The benchmark's orders as a table of files, and the platform that loads it.

What the files hold is `file_content.py`; the peers know nothing of this.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.file_content import CSV, GZIP, JSON_LINES, PARQUET
from benchmarks.source import DAY
from benchmarks.table import BenchOrders
from etl_assets.config import FilesSettings, ObjectStoreSettings, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import column
from etl_assets.core.file_formats import Csv, FileFormat, JsonLines, Parquet
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import load

TABLE = "raw/orders"
DAYS = 1000
"""How many days from the benchmark's own on the platform has."""

_FORMATS: dict[str, FileFormat] = {
    CSV: Csv(),
    GZIP: Csv(),
    JSON_LINES: JsonLines(),
    PARQUET: Parquet(),
}


class FileOrders(BenchOrders):
    """The orders with the day of their file, in which a number comes once."""

    delivered_on: pl.Date = column(description="The day of the file.")

    class Config:
        unique = ["delivered_on", "id"]  # noqa: RUF012 - as Pandera has it


def file_orders(suffix: str, below: str = "") -> TableSpec:
    """The table of the files that end with `suffix`; days are folders `below` a prefix."""
    return TableSpec(
        "orders",
        Files(
            f"{below}{{day:%Y-%m-%d}}/*{suffix}",
            format=_FORMATS[suffix],
            day_column="delivered_on",
        ),
        FileOrders,
        FileOrders,
        lambda raw: raw,
        "Orders of one very busy day, in files.",
        partition_column="delivered_on",
        cursor_column=None,
    )


def open_files(home: Path, spec: TableSpec, **store: Any) -> Platform:
    """The platform on the table, with a DuckDB file in `home`.

    A tick of its sensor lists all objects, however long that takes. `store` are settings of the
    object store.
    """
    settings = Settings(
        home=home,
        files=FilesSettings(sweep=0, tick=3600),
        first_day=DAY,
        last_day=DAY + timedelta(days=DAYS - 1),
        object_store=ObjectStoreSettings(**store),
    )
    return Platform(settings, given_catalog=Catalog.of([spec]))


def load_files(platform: Platform, days: Sequence[date]) -> int:
    """Load the days as a run does, and publish them; their published rows."""
    table = platform.catalog[TABLE]
    with platform.spool("bench", "load") as spool:
        source = platform.source(table)
        loaded = load(table, source, platform.warehouse, days, spool, "bench")
        assert not loaded.refused, loaded.refused
        publish_days(platform.warehouse, table, loaded.good, "bench")
    return sum(day.rows for day in loaded.good)
