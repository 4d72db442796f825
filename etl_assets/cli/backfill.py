"""`etl-assets backfill`: load tables for a range of days.

The runs are `orchestration/backfill.py`.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import Day, window_of
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    json_option,
    print_error,
    print_json,
    print_sources,
    print_warning,
    wants_json,
)
from etl_assets.cli.progress import progress
from etl_assets.cli.tables import chosen
from etl_assets.cli.visible import echo, styled
from etl_assets.config import Settings, read_settings
from etl_assets.core.partitions import WHOLE
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.core.partitions import Window
    from etl_assets.orchestration.backfill import BackfillResult


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--from", "first", type=Day(), help="First day (UTC); default: the first of all.")
@click.option("--to", "last", type=Day(), help="Last day (UTC); default: the newest.")
@click.option("--even-closed", is_flag=True, help="Load closed days (keep_before) again, too.")
@click.option("--force", is_flag=True, help="Make and publish days again of which nothing changed.")
@json_option
def backfill(
    tables: tuple[str, ...], first: date | None, last: date | None, even_closed: bool, force: bool
) -> None:
    """Load TABLES (raw/orders staged/orders …; default: all) for a range of days.

    Without --from and --to a staged or enriched table is made for the days that the tables that it
    is made of have; days that are named must be there. Closed days (keep_before) that are published
    are passed over, or refused if they are named. Days that are read are read again; staged and
    enriched days are left as they are unless their inputs, code or contract changed.
    """
    settings = read_settings()
    window = window_of(settings, first, last)
    every_day = bool(first or last)
    result = load(
        settings, tables, [window], every_day=every_day, even_closed=even_closed, force=force
    )
    if wants_json():
        print_json(result_rows(result))
    if not result.succeeded:
        sys.exit(1)


def load(
    settings: Settings,
    names: Sequence[str],
    windows: "Sequence[Window]",
    *,
    every_day: bool = True,
    even_closed: bool = False,
    force: bool = False,
) -> "BackfillResult":
    """Load the tables for these ranges of days, and show how far it is; what went wrong is printed.

    `succeeded` of the result says whether every table got every day.
    """
    from etl_assets.orchestration.backfill import BackfillResult, home_instance
    from etl_assets.orchestration.backfill import backfill as run
    from etl_assets.orchestration.expected_days import ExpectedDays
    from etl_assets.orchestration.partitions import check_window

    for window in windows:
        check_window(window, settings)
    result = BackfillResult()
    notes: list[str] = []
    with closing(open_platform(settings)) as platform:
        tables = chosen(catalog_of(platform), names)
        print_sources(platform, tables)
        expected = ExpectedDays.of(platform, tables, windows)
        paths = [table.path for table in tables]
        platform.on_note = notes.append
        with progress("day", expected.total, "starting Dagster", done="Loaded") as shown:
            platform.on_day, platform.on_work = shown.on_day, shown.on_work
            with home_instance(settings) as instance:
                for window in windows:
                    result.add(
                        run(
                            platform,
                            paths,
                            window,
                            instance,
                            every_day=every_day,
                            even_closed=even_closed,
                            force=force,
                            expected=expected,
                        )
                    )
            shown.has_errors = not result.succeeded
    for note in dict.fromkeys(notes):
        print_warning(note)
    print_unchanged(result)
    print_result(result)
    return result


def print_unchanged(result: "BackfillResult") -> None:
    """How many days were left as they are, because they came out the same or were not even made."""
    from etl_assets.pipeline.status_notes import some_named

    same = {
        path: days - result.not_made.get(path, set()) for path, days in result.unchanged.items()
    }
    for found, told in (
        (same, "loaded again and found unchanged; nothing was published of them."),
        (result.not_made, "unchanged, and not made again; --force makes them."),
    ):
        named = [path for path, days in found.items() if days]
        if named:
            days = count_of(sum(len(found[path]) for path in named), "day")
            echo(f"{some_named(named)}: {days} {told}", err=True)


def print_result(result: "BackfillResult") -> None:
    """What went wrong, each message once, and what was not even tried."""
    for message in dict.fromkeys(result.messages):
        print_error(message)
    for path, skipped in result.skipped.items():
        if skipped:
            days = count_of(len(skipped), "day")
            told = f"{path}: " + (
                "its upstream failed"
                if skipped == {WHOLE}
                else f"{days} whose upstream days failed"
            )
            echo(f"{styled('skipped:', fg='yellow')} {told}", err=True)


def result_rows(result: "BackfillResult") -> list[dict[str, Any]]:
    """A line for each table, for JSON: the days that it got, did not get and was spared.

    A table without days has null in place of a day.
    """
    found = (result.done, result.failed, result.skipped, result.closed)
    paths = dict.fromkeys(path for by_table in found for path in by_table)
    return [
        {
            "table": path,
            "loaded": _days(result.done.get(path)),
            "failed": _days(result.failed.get(path)),
            "skipped": _days(result.skipped.get(path)),
            "closed": _days(result.closed.get(path)),
            "unchanged": _days(result.unchanged.get(path)),
        }
        for path in paths
    ]


def _days(days: "set[date] | None") -> list[date | None]:
    return [None if day == WHOLE else day for day in sorted(days or ())]
