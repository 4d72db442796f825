"""`etl-assets events`: the database that events land in.

Its own tables are made by Alembic's migrations; the warehouse's are `etl-assets migrate`.
"""

from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.event_archive import archive, pull, replay
from etl_assets.cli.event_links import link, links, relink, unlink
from etl_assets.cli.event_loading import load, retry, status
from etl_assets.cli.output import json_option, print_done
from etl_assets.config import read_settings

if TYPE_CHECKING:
    from etl_assets.events.grants import Purpose


@click.group()
def events() -> None:
    """Pull, load, archive and replay events, in the database of EVENTS_DATABASE_URL."""


for command in (pull, load, status, retry, archive, replay, link, unlink, links, relink):
    events.add_command(command)


@events.command()
@json_option
def migrate() -> None:
    """Make the tables of events, or bring them up to this release."""
    from etl_assets.events.database import open_events

    with closing(open_events(read_settings())) as database:
        before, after = database.migrate()
    told = f"The tables of events are now at revision {after} (before: {before or 'none'})."
    if before == after:
        told = f"The tables of events are up to date (revision {after})."
    print_done({"before": before, "after": after}, told)


@events.command()
@click.argument("role")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["ingest", "read"]),
    default="ingest",
    show_default=True,
    help="ingest: only land what arrives. read: only read the events.",
)
@json_option
def grants(role: str, purpose: "Purpose") -> None:
    """Give ROLE the rights that its purpose needs, and print them."""
    from etl_assets.events.database import open_events
    from etl_assets.events.grants import grant

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        with database.transaction(f"granting rights to {role}") as connection:
            statements = grant(connection, role, purpose)
    told = "\n".join(f"{statement};" for statement in statements)
    print_done({"role": role, "for": purpose, "statements": statements}, told)
