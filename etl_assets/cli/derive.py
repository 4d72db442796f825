"""`etl-assets derive`: make the late days of staged and enriched tables, and no others.

Which days are late is decided in `core/lateness.py`; `orchestration/derive.py` makes them.
"""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click
from rich.console import Console

from etl_assets.cli.tables import catalog_of, chosen, print_error
from etl_assets.config import read_settings

if TYPE_CHECKING:
    from etl_assets.orchestration.backfill import BackfillResult


@click.command()
@click.argument("tables", nargs=-1)
def derive(tables: tuple[str, ...]) -> None:
    """Make the late days of TABLES (staged/orders …; default: all), layer by layer.

    A day is late when what it is made of was published since. `etl-assets dev` does the same every
    minute.
    """
    from etl_assets.orchestration.backfill import home_instance
    from etl_assets.orchestration.derive import derive_late_days
    from etl_assets.orchestration.platform import open_platform

    settings = read_settings()
    with closing(open_platform(settings)) as platform:
        paths = [table.path for table in chosen(catalog_of(platform), tables)]
        with home_instance(settings) as instance:
            result = derive_late_days(platform, paths, instance)
    print_derived(result)
    sys.exit(0 if result.succeeded else 1)


def print_derived(result: "BackfillResult") -> None:
    """How many days of each table were made, and what went wrong."""
    told = {path: len(days) for path, days in result.done.items() if days}
    for path, days in told.items():
        Console().print(f"{path}: {days:,} late {'day' if days == 1 else 'days'} made.")
    if not told and result.succeeded:
        Console().print("No derived day is behind what it is made of.")
    print_backfill(result)


def print_backfill(result: "BackfillResult") -> None:
    """What went wrong, each message once, and what was not even tried."""
    errors = Console(stderr=True)
    for message in dict.fromkeys(result.messages):
        print_error(message)
    for path, skipped in result.skipped.items():
        if skipped:
            errors.print(
                f"[yellow]skipped:[/] {path}: {len(skipped)} days whose upstream days failed",
                highlight=False,
            )
