"""What `etl-assets demo` tells of its dimensions, its customers of three systems and its fields."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.cli.visible import echo, styled
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.pipeline.platform import Platform

_SYSTEMS = 3


def tell_of_star(platform: "Platform") -> None:
    """Print a line each of versions, customers and fields; nothing of what is not published."""
    with platform.spool(uuid.uuid4().hex, "demo") as folder:

        def rows(path: str) -> pl.DataFrame | None:
            table = platform.catalog.get(path)
            if table is None or not platform.warehouse.state(table):
                return None
            place = folder / uuid.uuid4().hex
            return platform.warehouse.read(table, [Window.of(WHOLE)], place).frames[0].collect()

        prices, customers = rows("enriched/dim_supplier_prices"), rows("enriched/customers")
        for line in (*_prices(prices), *_customers(customers)):
            echo(line)
    echo(
        "A custom field of the shop's customers is a column of staged/customers, loyalty_tier; "
        f"{_bold('.venv/bin/etl-assets fields list raw/customers')} shows the others."
    )


def _prices(versions: pl.DataFrame | None) -> Iterator[str]:
    if versions is not None:
        current = versions.filter("is_current").height - 1  # without the unknown member
        yield (
            f"Of the suppliers' daily price lists enriched/dim_supplier_prices has "
            f"{count_of(versions.height - 1, 'version')}, {current:,} of them current; facts "
            "look up the "
            "customers and products of their own time."
        )


def _customers(records: pl.DataFrame | None) -> Iterator[str]:
    if records is None:
        return
    keys = records.group_by("customer_key").agg(
        pl.col("source_system").n_unique().alias("systems"), pl.len().alias("records")
    )
    everywhere = keys.filter(pl.col("systems") == _SYSTEMS).sort("records", "customer_key")
    yield (
        f"{count_of(records.height, 'record')} of three systems are "
        f"{count_of(keys.height, 'customer')}, "
        f"{everywhere.height:,} of them known to all three."
    )
    if everywhere.height:
        own = records.filter(pl.col("customer_key") == everywhere["customer_key"][0])
        system, number = own.sort("source_system").select("source_system", "source_id").row(0)
        command = _bold(f".venv/bin/etl-assets identity explain {system}/{number}")
        yield f"{command} says why the records of one are one."


def _bold(text: str) -> str:
    return styled(text, bold=True)
