"""`etl-assets dictionary`: what every column of every table means."""

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import json_option, print_json, wants_json
from etl_assets.cli.visible import echo


@click.command()
@json_option
def dictionary() -> None:
    """Print the data dictionary (docs/data-dictionary.md), made from the contracts."""
    from etl_assets.core.dictionary import data_dictionary, dictionary_rows

    tables = catalog_of(open_platform()).values()
    if wants_json():
        print_json(dictionary_rows(tables))
    else:
        echo(data_dictionary(tables), nl=False)
