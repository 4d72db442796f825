"""`etl-assets demo`: the demo shop, filled and loaded through every layer."""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.backfill import load
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import console
from etl_assets.cli.status import print_status
from etl_assets.config import Settings, read_settings
from etl_assets.core.partitions import WHOLE, Window

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform


@click.command()
def demo() -> None:
    """Fill the demo shop, load its 30 days through every layer, and show what came of it."""
    from etl_assets.demo.marker import mark_for_demo

    settings = read_settings().for_demo()
    platform = open_platform(settings)
    platform.refuse_demo_rows()
    _fill(settings)
    mark_for_demo(settings)
    window = Window(settings.first_day, settings.newest_day())
    missing = _missing(platform, window)
    good = True
    if missing:
        good = load(platform, missing, window)
    else:
        click.echo("Every day of every table is published already.")
    print_status(platform)
    bold = {name: click.style(name, bold=True) for name in ("etl_quarantine", "make dev")}
    click.echo(
        f"Rows in quarantine broke a rule of their contract; {bold['etl_quarantine']} holds each "
        "with the rule and its payload."
    )
    click.echo(
        f"Next: {bold['make dev']} opens the same tables in the Dagster UI; "
        ".venv/bin/etl-assets status shows this table again."
    )
    sys.exit(0 if good else 1)


def _fill(settings: Settings) -> None:
    from etl_assets.demo.shared_use import shared_postgres
    from etl_assets.demo.shop import fill_shop

    with console().status("Starting the embedded PostgreSQL and filling the demo shop …"):
        server = shared_postgres(settings.postgres_home)
        server.ensure_database("shop")
        counts = fill_shop(server.url("shop"))
    click.echo(
        f"The demo shop holds {counts.customers:,} customers, {counts.products:,} products, "
        f"{counts.orders:,} orders and {counts.order_items:,} order items in a real PostgreSQL."
    )


def _missing(platform: "Platform", window: Window) -> "list[LayerTable]":
    """The tables that lack a day."""
    with closing(platform.warehouse) as warehouse:
        published = {(s.table_name, s.partition_key) for s in warehouse.state()}
    return [
        table
        for path, table in catalog_of(platform).items()
        if any(
            (path, day) not in published for day in (window.days() if table.has_days else [WHOLE])
        )
    ]
