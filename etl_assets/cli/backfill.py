"""`etl-assets backfill`: load tables for a range of days.

The runs are `orchestration/backfill.py`.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import Day, window_of
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import console, counted, print_error, print_sources, print_warning
from etl_assets.cli.tables import chosen
from etl_assets.config import Settings, read_settings
from etl_assets.core.partitions import WHOLE

if TYPE_CHECKING:
    from rich.progress import Task

    from etl_assets.core.partitions import Window
    from etl_assets.orchestration.backfill import BackfillResult


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--from", "first", type=Day(), help="First day (UTC); default: the first of all.")
@click.option("--to", "last", type=Day(), help="Last day (UTC); default: the newest.")
@click.option("--even-closed", is_flag=True, help="Load closed days (keep_before) again, too.")
def backfill(
    tables: tuple[str, ...], first: date | None, last: date | None, even_closed: bool
) -> None:
    """Load TABLES (raw/orders staged/orders …; default: all) for a range of days.

    Without --from and --to a staged or enriched table is made for the days that the tables that it
    is made of have; days that are named must be there. Closed days (keep_before) that are published
    are passed over, or refused if they are named.
    """
    settings = read_settings()
    window = window_of(settings, first, last)
    every_day = bool(first or last)
    if not load(settings, tables, window, every_day=every_day, even_closed=even_closed):
        sys.exit(1)


def load(
    settings: Settings,
    names: Sequence[str],
    window: "Window",
    *,
    every_day: bool = True,
    even_closed: bool = False,
) -> bool:
    """Load the tables for the days with a progress bar; whether every table got every day."""
    from etl_assets.orchestration.backfill import backfill as run
    from etl_assets.orchestration.backfill import home_instance
    from etl_assets.orchestration.partitions import check_window

    check_window(window, settings)
    with closing(open_platform(settings)) as platform:
        tables = chosen(catalog_of(platform), names)
        print_sources(platform, tables)
        days = (window.last - window.first).days + 1
        total = sum(days if table.has_days else 1 for table in tables)
        paths = [table.path for table in tables]
        notes: list[str] = []
        platform.on_note = notes.append
        with _progress(total) as platform.on_day, home_instance(settings) as instance:
            result = run(
                platform, paths, window, instance, every_day=every_day, even_closed=even_closed
            )
    for note in dict.fromkeys(notes):
        print_warning(note)
    print_result(result)
    return result.succeeded


def print_result(result: "BackfillResult") -> None:
    """What went wrong, each message once, and what was not even tried."""
    for message in dict.fromkeys(result.messages):
        print_error(message)
    for path, skipped in result.skipped.items():
        if skipped:
            days = counted(len(skipped), "day")
            told = f"{path}: " + (
                "its upstream failed"
                if skipped == {WHOLE}
                else f"{days} whose upstream days failed"
            )
            click.echo(f"{click.style('skipped:', fg='yellow')} {told}", err=True)


@contextmanager
def _progress(total: int) -> "Iterator[Any]":
    """A bar that counts table partitions; yields what to call for each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    from etl_assets.cli.main import BEGAN

    class WallTime(ProgressColumn):
        """The time since the command began: with the imports, and what follows the last day."""

        def render(self, task: "Task") -> Text:  # noqa: ARG002 - all tasks began together
            """The time as h:mm:ss."""
            took = timedelta(seconds=int(time.monotonic() - BEGAN))
            return Text(str(took), "progress.elapsed")

    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        WallTime(),
    )
    with Progress(*columns, console=console()) as bar:
        task = bar.add_task("starting Dagster", total=total)

        def on_day(path: str, _day: date, _good: bool) -> None:
            bar.update(task, advance=1, description=path)

        yield on_day
        bar.update(task, description="done")
