"""`etl-assets migrate`: the platform's own tables in the warehouse."""

from contextlib import closing

import click

from etl_assets.cli.opened import open_platform


@click.command()
def migrate() -> None:
    """Bring the platform's own tables in the warehouse up to this release."""
    with closing(open_platform().warehouse) as warehouse:
        click.echo(warehouse.migrate())
