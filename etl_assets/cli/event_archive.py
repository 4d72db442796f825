"""`etl-assets events pull`, `archive` and `replay`: what lands, what is kept, and made again.

Sources are read in `events/pull.py`; the archive is `events/archive.py` and `events/replay.py`.
"""

import sys
from contextlib import closing
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import Day
from etl_assets.cli.event_loading import warn_of_quarantined
from etl_assets.cli.output import (
    json_option,
    print_done,
    print_error,
    print_json,
    print_warning,
    tell,
    wants_json,
)
from etl_assets.cli.progress import progress
from etl_assets.config import read_settings
from etl_assets.core.errors import ConfigError
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.config import Settings
    from etl_assets.events.pull import Pulled
    from etl_assets.sources.files.writable import WritableStore


@click.command()
@click.argument("sources", nargs=-1)
@json_option
def pull(sources: tuple[str, ...]) -> None:
    """Land what is new in APIs and files.

    SOURCES are names of sources, by default all. Webhooks land by themselves.
    """
    from etl_assets.events.database import open_events
    from etl_assets.events.pull import pull as pull_all
    from etl_assets.events.sources import sources_of, unknown_source

    settings = read_settings()
    known = sources_of(settings)
    for name in sources:
        if name not in known:
            raise unknown_source(name, known)
    chosen = {name: known[name] for name in sources} if sources else known
    for name, one in chosen.items():
        if one.api is None and one.drops is None:
            tell(
                f"{name}: nothing to pull; calls to the webhook service land by themselves "
                "(etl-assets webhook serve)."
            )
    readings = sum((one.api is not None) + (one.drops is not None) for one in chosen.values())
    every: list[Pulled] = []
    with closing(open_events(settings)) as database:
        database.make_ready()
        with progress("reading", readings, "reading sources", done="Pulled") as shown:
            for done in pull_all(settings, database, chosen):
                every.append(done)
                shown.step(done.source)
    for done in every:
        if done.error:
            print_error(f"{done.source}: {done.error}")
        else:
            tell(_told(done))
            _warn_of_refused(done)
    if wants_json():
        print_json([_record(done) for done in every])
    if any(done.error for done in every):
        sys.exit(1)


@click.command()
@json_option
def archive() -> None:
    """Write raw payloads to the archive.

    Those that are not in it yet, to the store of EVENTS_ARCHIVE_URL, or else of OBJECT_STORE_URL.
    """
    from etl_assets.events.archive import archive as archive_all
    from etl_assets.events.database import open_events

    settings = read_settings()
    store = _store(settings)
    with closing(open_events(settings)) as database:
        database.make_ready()
        with progress("object", label="archiving", done="Archived") as shown:
            done = archive_all(database, store, lambda _object: shown.step("archiving"))
    print_done(
        asdict(done),
        f"{count_of(done.payloads, 'payload')} archived in {count_of(done.objects, 'object')} "
        f"({count_of(done.bytes, 'byte')}).",
    )


@click.command()
@click.option("--from", "first", type=Day(), required=True, help="First day of receipt (UTC).")
@click.option("--to", "last", type=Day(), required=True, help="Last day of receipt (UTC).")
@click.option("--source", help="Only payloads of this source.")
@json_option
def replay(first: date, last: date, source: str | None) -> None:
    """Land and load again what is in the archive.

    The archive alone is enough. What is there already stays as it is.
    """
    from etl_assets.events.database import open_events
    from etl_assets.events.load import Rules, load_all
    from etl_assets.events.replay import has_source
    from etl_assets.events.replay import replay as replay_days
    from etl_assets.events.sources import mappers_of, sources_of, unknown_source

    if last < first:
        raise click.UsageError("--to is before --from.")
    settings = read_settings()
    known = sources_of(settings)
    rules = Rules(mappers=mappers_of(known.values()))
    store = _store(settings)
    if source is not None and source not in known and not has_source(store, source):
        raise unknown_source(source, known, f", and the archive {store} has none either")
    with closing(open_events(settings)) as database:
        database.make_ready()
        with progress("object", label="landing", done="Replayed") as shown:
            done = replay_days(
                database, store, first, last, source, lambda _key: shown.step("landing")
            )
            shown.at("loading")
            loaded = load_all(database, rules)
    if not done.objects:
        print_error(
            f"The archive {store} has no object of {source or 'any source'} that was received from "
            f"{first} to {last}. etl-assets events archive writes what has landed."
        )
        sys.exit(1)
    print_done(
        {**asdict(done), "loaded": asdict(loaded)},
        f"{count_of(done.payloads, 'payload')} of {count_of(done.objects, 'object')} read, "
        f"{done.landed:,} of them landed; {count_of(loaded.read, 'row')} loaded.",
    )
    warn_of_quarantined(loaded.quarantined)


def _store(settings: "Settings") -> "WritableStore":
    from etl_assets.sources.files.writable import WritableStore

    if settings.archive_url is None:
        raise ConfigError(
            "Nothing says where raw payloads are archived.",
            "Set EVENTS_ARCHIVE_URL (s3://bucket/prefix, gs://…, az://…, file:///folder), or "
            "OBJECT_STORE_URL.",
        )
    return WritableStore(settings.object_store, settings.archive_url)


def _warn_of_refused(done: "Pulled") -> None:
    from etl_assets.events.drops import Taken
    from etl_assets.sources.files.failures import shown_key

    if isinstance(done.landed, Taken):
        for key, why in done.landed.refusals:
            print_warning(
                f"{done.source}: nothing of {shown_key(key)} has landed: {why}. It is read again "
                "when it changes."
            )


def _record(done: "Pulled") -> dict[str, Any]:
    """The same for JSON; numbers are null where nothing was read."""
    from etl_assets.events.drops import Taken

    landed = done.landed
    of_files = landed if isinstance(landed, Taken) else None
    return {
        "source": done.source,
        "new": landed.new if landed else None,
        "known": landed.again if landed else None,
        "files": of_files.objects if of_files else None,
        "refused": dict(of_files.refusals) if of_files else {},
        "waiting": of_files.waiting if of_files else None,
        "not_set": done.skipped,
        "error": str(done.error) if done.error else None,
    }


def _told(done: "Pulled") -> str:
    from etl_assets.events.drops import Taken

    if done.skipped:
        return f"{done.source}: not read, as {done.skipped} is not set."
    landed = done.landed
    assert landed is not None  # noqa: S101 - neither skipped nor failed
    if isinstance(landed, Taken):
        read = count_of(landed.objects, "file")
        more = [f"{landed.refused:,} refused"] if landed.refused else []
        more += [f"{landed.waiting:,} may be written to still"] if landed.waiting else []
    else:
        read = count_of(landed.pages, "page")
        more = ["begun again, as its cursor had expired"] if landed.began_again else []
    counts = ", ".join([f"{landed.new:,} new", f"{landed.again:,} known", *more])
    return f"{done.source}: {read} read, {counts}."
