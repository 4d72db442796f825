"""`etl-assets stop`: the embedded PostgreSQL."""

import click

from etl_assets.cli.visible import echo
from etl_assets.config import read_settings


@click.command()
def stop() -> None:
    """Stop the embedded PostgreSQL, should a killed process have left it running."""
    from etl_assets.demo.server import stop_postgres

    home = read_settings().postgres_home
    stopped = stop_postgres(home)
    echo("The embedded PostgreSQL is stopped." if stopped else f"None is running in {home}.")
