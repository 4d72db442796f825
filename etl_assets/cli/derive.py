"""`etl-assets derive`: make the late days of staged and enriched tables, and no others.

Which days are late is decided in `core/lateness.py`; `orchestration/derive.py` makes them.
"""

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.backfill import print_result, result_rows
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import json_option, print_json, tell, wants_json
from etl_assets.cli.progress import progress
from etl_assets.cli.tables import chosen
from etl_assets.config import read_settings
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.orchestration.backfill import BackfillResult


@click.command()
@click.argument("tables", nargs=-1)
@json_option
def derive(tables: tuple[str, ...]) -> None:
    """Make the late days of TABLES (staged/orders …; default: all), layer by layer.

    A day is late when what it is made of was published since. `etl-assets dev` does the same every
    minute.
    """
    from etl_assets.orchestration.backfill import home_instance
    from etl_assets.orchestration.derive import derive_late_days

    settings = read_settings()
    with closing(open_platform(settings)) as platform:
        paths = [table.path for table in chosen(catalog_of(platform), tables)]
        with progress("late day", label="starting Dagster", done="Made") as shown:
            platform.on_day, platform.on_work = shown.on_day, shown.on_work
            with home_instance(settings) as instance:
                result = derive_late_days(platform, paths, instance)
            shown.has_errors = not result.succeeded
    print_derived(result)
    print_result(result)
    if wants_json():
        print_json(result_rows(result))
    sys.exit(0 if result.succeeded else 1)


def print_derived(result: "BackfillResult") -> None:
    """How many days of each table were made."""
    told = {path: len(days) for path, days in result.done.items() if days}
    for path, days in told.items():
        tell(f"{path}: {count_of(days, 'late day')} made.")
    if not told and result.succeeded:
        tell("No derived day is behind what it is made of.")
