"""`etl-assets events link`, `unlink`, `links` and `relink`: whose an anonymous id is."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, fields
from datetime import UTC, datetime

import click

from etl_assets.cli.days import Moment
from etl_assets.cli.output import Column, Row, Table, json_option, print_done, print_rows, shown
from etl_assets.config import read_settings
from etl_assets.core.wording import count_of


@click.command()
@click.argument("anonymous")
@click.argument("user")
@click.option("--since", type=Moment(), help="From this moment on, in UTC; by default always.")
@click.option("--until", type=Moment(), help="Up to, not including, this moment.")
@click.option("--reason", help="What is known about it, for the record.")
@json_option
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
    told = "No event has this anonymous id yet; those to come will be linked."
    record = {"events": events, "is_known": is_known}
    print_done(record, f"The link is made. {_changed(events) if is_known else told}")


@click.command()
@click.argument("anonymous")
@click.argument("user", required=False)
@json_option
def unlink(anonymous: str, user: str | None) -> None:
    """Undo the links by hand of ANONYMOUS, or only those to USER."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import unlink as undo

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        undone, events = undo(database, anonymous, user)
    told = f"{count_of(undone, 'link')} undone. {_changed(events)}"
    if not undone:
        told = "There is no such link by hand: etl-assets events links."
    print_done({"undone": undone, "events": events}, told)


@click.command()
@json_option
def links() -> None:
    """Show the links by hand, those that were undone too."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import UserLink
    from etl_assets.events.links import links as all_links

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        found = all_links(database)
    names = [one.name for one in fields(UserLink)]
    print_rows(
        Table(
            "links",
            "Links by hand",
            [Column(name, text=_cell(name)) for name in names],
            [asdict(one) for one in found],
            empty="There are no links by hand.",
        )
    )


def _cell(name: str) -> Callable[[Row], str]:
    """Moments to the second, as links are made by it; nothing where there is no value."""

    def cell(row: Row) -> str:
        value = row[name]
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat()
        return "" if value is None else shown(value)

    return cell


@click.command()
@json_option
def relink() -> None:
    """Work out the links of all events again, once after an upgrade from a release without them."""
    from etl_assets.events.database import open_events
    from etl_assets.events.links import relink as link_all

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        events = link_all(database)
    print_done({"events": events}, f"{count_of(events, 'event')} changed.")


def _changed(events: int) -> str:
    return f"{count_of(events, 'event')} changed." + (
        " Next: etl-assets sync raw/events." if events else ""
    )
