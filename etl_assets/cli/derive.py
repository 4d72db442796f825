"""`etl-assets derive`: make the late days of staged and enriched tables, and no others.

Which days are late is decided in `core/lateness.py`; `orchestration/derive.py` makes them.
"""

from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.backfill import print_result
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import counted, end
from etl_assets.cli.tables import chosen

if TYPE_CHECKING:
    from etl_assets.orchestration.backfill import BackfillResult


@click.command()
@click.argument("tables", nargs=-1)
def derive(tables: tuple[str, ...]) -> None:
    """Make the late days of TABLES (staged/orders …; default: all), layer by layer.

    A day is late when what it is made of was published since. `etl-assets dev` does the same every
    minute.
    """
    platform = open_platform()
    paths = [table.path for table in chosen(catalog_of(platform), tables)]
    from etl_assets.orchestration.backfill import home_instance
    from etl_assets.orchestration.derive import derive_late_days

    with closing(platform), home_instance(platform.settings) as instance:
        result = derive_late_days(platform, paths, instance)
    if result.succeeded and not any(result.done.values()):
        click.echo("No derived day is behind what it is made of.")
    print_derived(result)
    end([], failed=not result.succeeded)


def print_derived(result: "BackfillResult") -> None:
    """How many days of each table were made, and what went wrong."""
    for path, days in result.done.items():
        if days:
            click.echo(f"{path}: {counted(len(days), 'late day')} made.")
    print_result(result)
