"""`etl-assets files`: what became of each object of a table of files, and loading days of it again.

The ledger is written with the days (`core/ledger.py`); what a listing shows beside it is compared
in `pipeline/file_days.py`.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any, TextIO

import click

from etl_assets.cli.days import Day, window_of
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Cell,
    Column,
    Row,
    Table,
    json_option,
    number,
    print_done,
    print_error,
    print_json,
    print_rows,
    tell,
    wants_json,
)
from etl_assets.cli.tables import of_files
from etl_assets.cli.visible import echo, visible_value
from etl_assets.config import read_settings
from etl_assets.core.partitions import WHOLE, windows_of
from etl_assets.core.wording import count_of, it_or_them

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.file_days import FoundObject
    from etl_assets.pipeline.platform import Platform

_MOST = 20
_COLOURS = {"loaded": "green", "refused": "red"}


def _status(row: Row) -> Cell:
    return row["status"], _COLOURS.get(row["status"], "yellow")


_COLUMNS = (
    Column("day"),
    Column("object"),
    number("bytes"),
    Column("status", text=_status),
    number("rows_read", heading="read"),
    number("rows_published", heading="published"),
    number("rows_quarantined", heading="quarantined"),
)


@click.group()
def files() -> None:
    """Show what became of the objects of a table of files, and load days of it again."""


@files.command(name="list")
@click.argument("table")
@click.option("--from", "first", type=Day(), help="First day (UTC); default: the first of all.")
@click.option("--to", "last", type=Day(), help="Last day (UTC); default: the newest.")
@json_option
def list_(table: str, first: date | None, last: date | None) -> None:
    """The objects of TABLE: loaded, refused, or new, changed and gone since they were loaded."""
    platform, found = _opened(table)
    with closing(platform):
        objects = [one for one in platform.objects_of(found) if _within(one.part, first, last)]
    place = found.source.place if found.source else ""
    empty = f"{found.path} has no objects: {place}"
    rows = [_told(one) for one in objects]
    title = f"Objects of {found.path}"
    print_rows(Table("objects", title, _COLUMNS, rows, wraps="object", empty=empty))
    for line in _reasons(objects):
        tell(line)


@files.command()
@click.argument("table")
@click.argument("key")
@json_option
def show(table: str, key: str) -> None:
    """What became of the object KEY of TABLE, and which of its lines are in quarantine.

    Where rows say their day that is told for each day of the object, with --json as a list.
    """
    platform, found = _opened(table)
    with closing(platform):
        objects = platform.objects_of(found)
        _known(found, key, objects)
        told = [
            {**_told(one), "bad_lines": platform.bad_lines_of(found, key, one.part)}
            for one in objects
            if one.key == key
        ]
    if wants_json():
        # Where rows say their day an object has several, else one.
        print_json(told if found.has_row_days else told[0])
        return
    for one in told:
        for name, value in one.items():
            if name != "bad_lines" and value is not None:
                echo(f"{name:<17} {visible_value(str(value))}")
        for line in one["bad_lines"]:
            echo(f"{'bad line':<17} {line['position']}: {line['rule']}")


@files.command()
@click.argument("table")
@click.option("--from", "first", type=Day(), help="First day (UTC); default: the first of all.")
@click.option("--to", "last", type=Day(), help="Last day (UTC); default: the newest.")
@json_option
def replay(table: str, first: date | None, last: date | None) -> None:
    """Load the days of TABLE again, whatever its objects are: also those that were refused."""
    from etl_assets.cli.backfill import load, result_rows

    settings = read_settings()
    platform, found = _opened(table)
    window = window_of(settings, first, last)
    with closing(platform):
        if found.has_row_days:
            platform.index_files(found)
        days = sorted(
            {one.part for one in platform.objects_of(found)} & set(window.days())
            if found.has_days
            else ()
        )
    if found.has_days and not days:
        print_error(f"{found.path} has no object from {window.first} to {window.last}.")
        sys.exit(1)
    # The days in between, of which there is no object, stay as they are.
    result = load(settings, [found.path], windows_of(days) or [window], force=True)
    if wants_json():
        print_json(result_rows(result))
    if not result.succeeded:
        sys.exit(1)
    whole = "its only part" if not found.has_days else count_of(len(days), "day")
    tell(f"{found.path}: {whole} loaded again.")


@files.command()
@click.argument("table")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--from", "first", type=Day(), help="First day (UTC).")
@click.option("--to", "last", type=Day(), help="Last day (UTC).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget(
    table: str, keys: tuple[str, ...], first: date | None, last: date | None, yes: bool
) -> None:
    """Forget what days of TABLE were made of, so that its sensor loads them again.

    The days are those of the objects KEY, or from --from to --to. What is published stays until
    they are loaded. To load them at once: etl-assets files replay.
    """
    from etl_assets.pipeline.forget import forget as forget_days

    platform, found = _opened(table)
    if bool(keys) == bool(first or last) and (keys or found.has_days):
        raise click.UsageError("Say which days, in one way: KEY …, or --from and --to.")
    with closing(platform):
        objects = platform.objects_of(found)
        for key in keys:
            _known(found, key, objects)
        days = {
            one.part
            for one in objects
            if one.entry and (one.key in keys or (not keys and _within(one.part, first, last)))
        }
        if not days:
            print_error(
                f"{found.path} has no such day that was loaded: there is nothing to forget."
            )
            sys.exit(1)
        if not yes:
            click.confirm(_asked(found, days, objects), abort=True, err=wants_json())
        forget_days(platform.warehouse, found, days)
    print_done(
        {"table": found.path, "days": [day for day in sorted(days) if day != WHOLE]},
        f"{found.path}: {_days_of(days)} forgotten. new_files__{found.name} loads "
        f"{it_or_them(len(days))} again; or now: etl-assets files replay {found.path}.",
    )


@files.command()
@click.argument("url")
@click.option("--name", help="The table's name; default: the folder's.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="The format of the files, where their names do not say it.",
)
@json_option
def propose(url: str, name: str | None, kind: str | None) -> None:
    """Print a table module for the files below URL (s3://, gs://, az://, file:/// or a path).

    It is guessed from a sample: some thousand keys, and the begin of a few objects. Nothing is
    written; `etl-assets add-table URL` writes it into the package of ETL_TABLES, with a test.
    """
    from etl_assets.scaffold.files import found_files, of_files, told
    from etl_assets.scaffold.module_text import module_text

    found = found_files(read_settings().object_store, url, name, kind)
    table = of_files(found)
    module = module_text(table)
    if wants_json():
        print_json(told(table, found, module))
        return
    echo(module, nl=False)


@files.command()
@click.argument("table")
@click.argument("keys", nargs=-1)
@click.option("--s3-event", type=click.File("r"), help="An event of S3 as JSON; - is stdin.")
@json_option
def notify(table: str, keys: tuple[str, ...], s3_event: TextIO | None) -> None:
    """Say that objects of TABLE were put: its sensor lists their days at its next tick.

    KEYS are below the table's location. What is loaded is decided by the listing: a hint that is
    wrong, or comes twice, changes nothing.
    """
    from etl_assets.pipeline.hints import keys_of_event, leave_hint

    platform, found = _opened(table)
    with closing(platform):
        named = list(keys)
        if s3_event is not None:
            location = platform.sources.store(found).location
            named += keys_of_event(s3_event.read(), location)
        if named:
            leave_hint(platform.settings.home, found, named)
    print_done(
        {"table": found.path, "keys": named},
        f"{found.path}: {count_of(len(named), 'key')} for the sensor's next tick.",
    )


def _opened(name: str) -> "tuple[Platform, LayerTable]":
    platform = open_platform()
    (found,) = of_files(catalog_of(platform), (name,))
    return platform, found


def _known(table: "LayerTable", key: str, objects: "Sequence[FoundObject]") -> "FoundObject":
    """The object of that key; click's usage error where there is none."""
    for one in objects:
        if one.key == key:
            return one
    raise click.UsageError(
        f"{table.path} has no object {key!r}: etl-assets files list {table.path}"
    )


def _asked(table: "LayerTable", days: Collection[date], objects: "Sequence[FoundObject]") -> str:
    """What becomes of days that are forgotten, as a question."""
    found = [one for one in objects if one.part in days]
    gone = sum(one.status == "gone" for one in found)
    told = (
        f"{table.path}: {_days_of(days)} will be loaded again, from the "
        f"{count_of(len(found) - gone, 'object')} of now."
    )
    if gone:
        told += f" {count_of(gone, 'object')} gone, whose published rows leave."
    return f"{told} What is published stays until then. Forget?"


def _days_of(days: Collection[date]) -> str:
    shown = ", ".join(str(day) for day in sorted(days)[:3] if day != WHOLE)
    more = ", …" if len(days) > 3 else ""
    return f"{count_of(len(days), 'day')} ({shown}{more})" if shown else "all of it"


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or first <= day) and (last is None or day <= last)


def _told(one: "FoundObject") -> Mapping[str, Any]:
    entry = one.entry
    return {
        "object": one.key,
        "day": None if one.part == WHOLE else one.part,
        "status": one.status,
        "bytes": one.size,
        "error": one.error,
        "rows_read": entry.rows_read if entry else None,
        "rows_published": entry.rows_published if entry else None,
        "rows_quarantined": entry.rows_quarantined if entry else None,
        "first_seen": entry.first_seen if entry else None,
        "last_seen": entry.last_seen if entry else None,
        "run_id": entry.run_id if entry else None,
    }


def _reasons(objects: "Sequence[FoundObject]") -> list[str]:
    """Why objects are refused, a line for each reason."""
    found: dict[str, list[str]] = {}
    for one in objects:
        if one.status == "refused" and one.error:
            found.setdefault(one.error, []).append(one.key)
    lines = []
    for why, keys in found.items():
        others = f" and {count_of(len(keys) - 1, 'other object')}" if len(keys) > 1 else ""
        lines.append(f"{keys[0]}{others}: {why.rstrip('.')}.")
    more = [f"… and {count_of(len(lines) - _MOST, 'other reason')}: --json has them all."]
    return lines[:_MOST] + (more if len(lines) > _MOST else [])
