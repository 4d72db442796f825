"""`etl-assets migrate`: the platform's own tables in the warehouse."""

from contextlib import closing

import click

from etl_assets.cli.opened import open_platform
from etl_assets.cli.output import json_option, print_done


@click.command()
@json_option
def migrate() -> None:
    """Bring the platform's own tables in the warehouse up to this release."""
    with closing(open_platform().warehouse) as warehouse:
        told = warehouse.migrate()
    print_done({"told": told}, told)
