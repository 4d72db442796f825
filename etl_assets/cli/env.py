"""`etl-assets env`: the environments beside production, and their end."""

import sys

import click

from etl_assets.cli.environment import settings_of
from etl_assets.cli.opened import open_platform
from etl_assets.cli.output import json_option, print_done, print_error, print_json, wants_json
from etl_assets.cli.visible import echo


@click.group()
def env() -> None:
    """Show environments, and remove one.

    With ETL_ENV=dev every command reads what production has and writes into schemas, datasets or a
    file of its own; nothing has to be made beforehand.
    """


@env.command(name="list")
@json_option
def list_() -> None:
    """The environments that have published something."""
    settings = settings_of(None)
    names = open_platform(settings.changed(environment=None)).warehouse.environments()
    if wants_json():
        print_json(
            [{"environment": one, "is_current": one == settings.environment} for one in names]
        )
        return
    for name in names:
        echo(f"{name}{' (ETL_ENV)' if name == settings.environment else ''}")
    if not names:
        echo("There is no environment but production. ETL_ENV=dev makes one when it writes.")


@env.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def drop(name: str, yes: bool) -> None:
    """Remove the environment NAME with all that was published in it. Production stays."""
    import shutil

    settings = settings_of(name)  # refuses what cannot be one
    warehouse = open_platform(settings.changed(environment=None)).warehouse
    known = warehouse.environments()
    if name not in known:
        others = f"There is {', '.join(known)}." if known else "There is none at all."
        print_error(f"There is no environment {name}. {others}")
        sys.exit(1)
    if not yes:
        click.confirm(
            f"Remove the environment {name} and all that it has?", abort=True, err=wants_json()
        )
    gone = warehouse.drop_environment(name)
    shutil.rmtree(settings.dagster_home, ignore_errors=True)
    print_done({"environment": name, "removed": list(gone)}, f"Removed {', '.join(gone)}.")
