"""`etl-assets dictionary`: what every column of every table means."""

import click

from etl_assets.cli.opened import catalog_of, open_platform


@click.command()
def dictionary() -> None:
    """Print the data dictionary (docs/data-dictionary.md), made from the contracts."""
    from etl_assets.core.dictionary import data_dictionary

    click.echo(data_dictionary(catalog_of(open_platform()).values()), nl=False)
