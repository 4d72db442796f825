"""`etl-assets events load`, `status` and `retry`: from landing into `events`, and what came of it.

How events are loaded is `events/load.py`, and how they are counted `events/counts.py`.
"""

import time
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

import click

from etl_assets.cli.output import (
    Table,
    json_option,
    number,
    print_done,
    print_json,
    print_rows,
    print_warning,
    tell,
    wants_json,
)
from etl_assets.cli.progress import progress
from etl_assets.config import read_settings
from etl_assets.core.errors import SourceUnavailable
from etl_assets.core.wording import count_of, is_or_are

if TYPE_CHECKING:
    from etl_assets.events.database import EventsDatabase
    from etl_assets.events.load import LoadedEvents, Rules

_SHOWN = 5
_PAUSE = 1.0  # seconds: a webhook's event is to be in `events` within five


@click.command()
@click.option("--once", is_flag=True, help="Load what is pending now, and end.")
@click.option("--batch", default=5_000, show_default=True, type=click.IntRange(1), metavar="ROWS")
@json_option
def load(once: bool, batch: int) -> None:
    """Load what has landed into events, until Ctrl-C; several loaders may run at once.

    Of several copies of an event one stays: the one with the newest moment of its source, then the
    highest sequence, then the earliest received.
    """
    from etl_assets.events.counts import pending_of
    from etl_assets.events.database import open_events
    from etl_assets.events.load import Rules, load_all
    from etl_assets.events.sources import mappers_of, sources_of

    if wants_json() and not once:
        raise click.UsageError("--json goes with --once: without it there is no end.")
    settings = read_settings()
    rules = Rules(mappers=mappers_of(sources_of(settings).values()))
    with closing(open_events(settings)) as database:
        if not once:
            _go_on(database, batch, rules)
        database.make_ready()
        with database.transaction("loading events") as connection:
            pending = pending_of(connection)
        with progress("row", pending, "loading events", done="Loaded") as shown:

            def tell_of(done: "LoadedEvents") -> None:
                shown.step("loading events", done.taken)
                _tell(done)

            total = load_all(database, rules, batch, told=tell_of)
    if wants_json():
        print_json(asdict(total))
    if not total.taken:
        tell("Nothing is pending.")


@click.command()
@json_option
def status() -> None:
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
            sources = freshness_of(connection) if wants_json() else []
            refused = refused_objects(connection)
    if wants_json():
        told = {"sources": as_dicts(sources), "refused_files": [asdict(one) for one in refused]}
        print_json({**counts, **told})
        return
    print_rows(Table("events", "Events", [*map(number, counts)], [counts]))
    for one in refused[:_SHOWN]:
        print_warning(
            f"{one.source}: nothing of {shown_key(one.key)} has landed: {one.error}. It is read "
            "again when it changes."
        )
    more = len(refused) - _SHOWN
    if more > 0:
        print_warning(f"{count_of(more, 'more file')} {is_or_are(more)} refused: --json.")


@click.command()
@click.option("--source", help="Only rows of this source.")
@json_option
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
    told = f"Nothing{f' of {source}' if source else ''} is quarantined."
    if rows:
        wait = "waits" if rows == 1 else "wait"
        told = f"{count_of(rows, 'row')} {wait} to be loaded again: etl-assets events load --once."
    print_done({"source": source, "rows": rows}, told)


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
    tell(f"{count_of(batch.taken, 'row')}: {shown}.")
    warn_of_quarantined(batch.quarantined)


def warn_of_quarantined(rows: int) -> None:
    """Say how many rows were quarantined, and what to do about it; nothing for none."""
    if rows:
        print_warning(
            f"{count_of(rows, 'row')} cannot be read and {is_or_are(rows)} "
            "quarantined. Column error of staging_events says why; after a correction run "
            "etl-assets events retry."
        )
