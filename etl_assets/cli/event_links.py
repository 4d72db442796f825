"""`etl-assets events link`, `unlink`, `links` and `relink`: whose an anonymous id is."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

import click

from etl_assets.cli.days import Moment
from etl_assets.cli.output import counted, print_json, print_table
from etl_assets.config import read_settings


@click.command()
@click.argument("anonymous")
@click.argument("user")
@click.option("--since", type=Moment(), help="From this moment on, in UTC; by default always.")
@click.option("--until", type=Moment(), help="Up to, not including, this moment.")
@click.option("--reason", help="What is known about it, for the record.")
def link(
    anonymous: str, user: str, since: datetime | None, until: datetime | None, reason: str | None
) -> None:
    """Say that the anonymous id ANONYMOUS is USER; events unlink undoes it."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import has_events
    from etl_assets.events.links import link as make

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        events = make(database, anonymous, user, since, until, reason)
        is_known = events > 0 or has_events(database, anonymous)
    if is_known:
        click.echo(f"The link is made. {_changed(events)}")
    else:
        click.echo(
            "The link is made. No event has this anonymous id yet; those to come will be linked."
        )


@click.command()
@click.argument("anonymous")
@click.argument("user", required=False)
def unlink(anonymous: str, user: str | None) -> None:
    """Undo the links by hand of ANONYMOUS, or only those to USER."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import unlink as undo

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        undone, events = undo(database, anonymous, user)
    if not undone:
        click.echo("There is no such link by hand: etl-assets events links.")
        return
    click.echo(f"{counted(undone, 'link')} undone. {_changed(events)}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def links(as_json: bool) -> None:
    """Show the links by hand, those that were undone too."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import links as all_links

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        found = all_links(database)
    rows = [
        {
            name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(one).items()
        }
        for one in found
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("There are no links by hand.")
        return
    columns = dict.fromkeys(rows[0], "left")
    print_table(
        "Links by hand",
        columns,
        [["" if value is None else str(value) for value in row.values()] for row in rows],
    )


@click.command()
def relink() -> None:
    """Work out the links of all events again, once after an upgrade from a release without them."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import relink as link_all

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        events = link_all(database)
    click.echo(f"{counted(events, 'event')} changed.")


def _changed(events: int) -> str:
    return f"{counted(events, 'event')} changed." + (
        " Next: etl-assets sync raw/events." if events else ""
    )
