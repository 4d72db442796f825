"""`etl-assets events load`, `status` and `retry`: from landing into `events`, and what came of it.

How events are loaded is `events/load.py`, and how they are counted `events/counts.py`.
"""

import time
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

import click

from etl_assets.cli.output import counted, print_json, print_table, print_warning
from etl_assets.config import read_settings
from etl_assets.core.errors import SourceUnavailable

if TYPE_CHECKING:
    from etl_assets.events.database import EventsDatabase
    from etl_assets.events.load import LoadedEvents, Rules

_SHOWN = 5
_PAUSE = 1.0  # seconds: a webhook's event is to be in `events` within five


@click.command()
@click.option("--once", is_flag=True, help="Load what is pending now, and end.")
@click.option("--batch", default=5_000, show_default=True, type=click.IntRange(1), metavar="ROWS")
def load(once: bool, batch: int) -> None:
    """Load what has landed into events, until Ctrl-C; several loaders may run at once.

    Of several copies of an event one stays: the one with the newest moment of its source, then the
    highest sequence, then the earliest received.
    """
    from etl_assets.events.database import open_events
    from etl_assets.events.load import Rules, load_all
    from etl_assets.events.sources import mappers_of, sources_of

    settings = read_settings()
    rules = Rules(mappers=mappers_of(sources_of(settings).values()))
    with closing(open_events(settings)) as database:
        if not once:
            _go_on(database, batch, rules)
        database.make_ready()
        total = load_all(database, rules, batch, told=_tell)
    if not total.taken:
        click.echo("Nothing is pending.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def status(as_json: bool) -> None:
    """Show how many events have arrived, what became of them, and which files are refused.

    --json also says how fresh each source is, as etl-assets status does.
    """
    from etl_assets.cli.event_freshness import as_dicts
    from etl_assets.events.counts import counts_of
    from etl_assets.events.database import open_events
    from etl_assets.events.drops import refused_objects
    from etl_assets.events.freshness import freshness_of
    from etl_assets.sources.files.failures import shown_key

    with closing(open_events(read_settings())) as database:
        database.make_ready()
        with database.transaction("counting events", "read") as connection:
            counts = asdict(counts_of(connection))
            sources = freshness_of(connection) if as_json else []
            refused = refused_objects(connection)
    if as_json:
        told = {"sources": as_dicts(sources), "refused_files": [asdict(one) for one in refused]}
        print_json({**counts, **told})
        return
    columns = dict.fromkeys(counts, "right")
    print_table("Events", columns, [[f"{number:,}" for number in counts.values()]])
    for one in refused[:_SHOWN]:
        print_warning(
            f"{one.source}: nothing of {shown_key(one.key)} has landed: {one.error}. It is read "
            "again when it changes."
        )
    if len(refused) > _SHOWN:
        print_warning(f"{counted(len(refused) - _SHOWN, 'more file')} are refused: --json.")


@click.command()
@click.option("--source", help="Only rows of this source.")
def retry(source: str | None) -> None:
    """Put quarantined rows back into the queue, to be loaded again."""
    from etl_assets.events.counts import has_landed
    from etl_assets.events.counts import retry as put_back
    from etl_assets.events.database import open_events
    from etl_assets.events.sources import sources_of, unknown_source

    settings = read_settings()
    known = sources_of(settings)
    with closing(open_events(settings)) as database:
        database.make_ready()
        with database.transaction("putting quarantined events back") as connection:
            if source is not None and source not in known and not has_landed(connection, source):
                raise unknown_source(source, known, ", and nothing of one has landed")
            rows = put_back(connection, source)
    if not rows:
        click.echo(f"Nothing{f' of {source}' if source else ''} is quarantined.")
        return
    click.echo(f"{counted(rows, 'row')} wait to be loaded again: etl-assets events load --once.")


def _go_on(database: "EventsDatabase", batch: int, rules: "Rules") -> NoReturn:
    """Load whatever comes, for ever; while the database is away, wait until it is back."""
    from etl_assets.events.load import load_all

    is_away = False
    while True:
        try:
            database.make_ready()
            load_all(database, rules, batch, told=_tell)
            is_away = False
        except SourceUnavailable as error:
            if not is_away:  # said once, however long it takes
                print_warning(f"{error} Waiting for it.")
            is_away = True
        time.sleep(_PAUSE)


def _tell(batch: "LoadedEvents") -> None:
    """One line for a batch, in which what is zero is left out, and what is quarantined."""
    numbers = {
        "loaded": batch.loaded,
        "duplicates": batch.duplicates,
        "superseded": batch.superseded,
        "to be tried again": batch.refused,
        "quarantined": batch.quarantined,
    }
    shown = ", ".join(f"{number:,} {what}" for what, number in numbers.items() if number)
    click.echo(f"{counted(batch.taken, 'row')}: {shown}.")
    warn_of_quarantined(batch.quarantined)


def warn_of_quarantined(rows: int) -> None:
    """Say how many rows were quarantined, and what to do about it; nothing for none."""
    if rows:
        print_warning(
            f"{counted(rows, 'row')} cannot be read and {'is' if rows == 1 else 'are'} "
            "quarantined. Column error of staging_events says why; after a correction run "
            "etl-assets events retry."
        )
