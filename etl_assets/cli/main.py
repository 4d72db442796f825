"""The `etl-assets` command: what the UI does, in a terminal.

Commands parse, call and print; what they call is in `orchestration/`, `status.py` and `demo/`.
Heavy modules are imported by the command that needs them.
"""

import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

from etl_assets.cli.sync import reconcile, state, sync
from etl_assets.config import Settings, read_settings
from etl_assets.core.errors import EtlError
from etl_assets.core.partitions import Window, parse_day
from etl_assets.core.unexpected import told

_BEGAN = time.monotonic()
console = Console()


class Day(click.ParamType[date]):
    """A UTC day, YYYY-MM-DD."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date; click's usage error for anything else."""
        try:
            return value if isinstance(value, date) else parse_day(value)
        except EtlError as error:
            self.fail(str(error), param, ctx)


class Commands(click.Group):
    """Errors and interrupts end every command in one message and a non-zero exit."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error is printed, never traced. An interrupt exits with 130."""
        # What stops containers and services stops a command as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            Console(stderr=True).print("Interrupted. Nothing unfinished was published.")
            ctx.exit(130)
        except Exception as error:
            message = escape(told(error))
            Console(stderr=True).print(f"[bold red]error:[/] {message}", highlight=False)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tables of a PostgreSQL as checked, day-partitioned tables of a warehouse."""
    warnings.simplefilter("ignore")


for command in (sync, reconcile, state):
    main.add_command(command)


@main.command()
@click.argument("tables", nargs=-1)
@click.option("--from", "first", type=Day(), help="First day (UTC); default: the first of all.")
@click.option("--to", "last", type=Day(), help="Last day (UTC); default: the newest.")
def backfill(tables: tuple[str, ...], first: date | None, last: date | None) -> None:
    """Load TABLES (raw/orders staged/orders …; default: all) for a range of days."""
    settings = read_settings()
    window = Window(first or settings.first_day, last or settings.newest_day())
    if not _backfill(settings, _known(tables), window):
        sys.exit(1)


@main.command()
def status() -> None:
    """Show what is published: a line a table."""
    _print_status(read_settings())


@main.command()
def doctor() -> None:
    """Hold the source against the contracts, without loading anything."""
    from etl_assets.orchestration.platform import Platform
    from etl_assets.pipeline.diagnose import diagnose
    from etl_assets.tables.registry import layer_tables

    found = list(diagnose(layer_tables().values(), Platform(read_settings()).reader()))
    table = Table(title="Source tables", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("table", "can be read", "columns not in the contract", "rows without a day"):
        table.add_column(name)
    for line in found:
        table.add_row(
            line.table,
            "[red]no[/]" if line.error else "[green]yes[/]",
            ", ".join(line.undeclared) or "none",
            f"[yellow]{line.rows_without_day:,}[/]" if line.rows_without_day else "0",
        )
    console.print(table)
    for message in dict.fromkeys(str(line.error) for line in found if line.error):
        Console(stderr=True).print(f"[bold red]error:[/] {message}", highlight=False)
    sys.exit(1 if any(line.error for line in found) else 0)


@main.command()
def migrate() -> None:
    """Bring the platform's own tables in the warehouse up to this release."""
    from etl_assets.orchestration.platform import Platform

    with closing(Platform(read_settings()).warehouse) as warehouse:
        click.echo(warehouse.migrate())


@main.command()
def dictionary() -> None:
    """Print the data dictionary (docs/data-dictionary.md), made from the contracts."""
    from etl_assets.core.dictionary import data_dictionary
    from etl_assets.tables.registry import layer_tables

    click.echo(data_dictionary(layer_tables().values()), nl=False)


@main.command()
def stop() -> None:
    """Stop the embedded PostgreSQL, should a killed process have left it running."""
    from etl_assets.demo.server import stop_postgres

    stop_postgres(read_settings().postgres_home)


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
def dev(port: int) -> None:
    """Open the platform in the Dagster UI, on this machine only."""
    from etl_assets.orchestration.backfill import home_instance
    from etl_assets.orchestration.development import run_ui

    def announce() -> None:
        console.print(f"Dagster UI: [bold]http://127.0.0.1:{port}[/]  (Ctrl-C stops it)")

    settings = read_settings()
    with home_instance(settings):  # keeps the embedded server running while the UI is up
        sys.exit(run_ui(settings, port, announce))


@main.command()
def demo() -> None:
    """Fill the demo shop, load its 30 days through every layer, and show what came of it."""
    from etl_assets.demo.shared_use import shared_postgres
    from etl_assets.demo.shop import fill_shop
    from etl_assets.orchestration.platform import Platform
    from etl_assets.tables.registry import layer_tables

    settings = read_settings().for_demo()
    with console.status("Starting the embedded PostgreSQL and filling the demo shop …"):
        server = shared_postgres(settings.postgres_home)
        server.ensure_database("shop")
        counts = fill_shop(server.url("shop"))
    console.print(
        f"The demo shop holds [bold]{counts.customers:,}[/] customers, "
        f"[bold]{counts.products:,}[/] products, [bold]{counts.orders:,}[/] orders and "
        f"[bold]{counts.order_items:,}[/] order items in a real PostgreSQL.",
        highlight=False,
    )
    window = Window(settings.first_day, settings.newest_day())
    with closing(Platform(settings).warehouse) as warehouse:
        published = {(s.table_name, s.partition_key) for s in warehouse.state()}
    missing = [
        path for path in layer_tables() if any((path, d) not in published for d in window.days())
    ]
    good = True
    if missing:
        good = _backfill(settings, missing, window)
    else:
        console.print("Every day of every table is published already.")
    _print_status(settings)
    console.print(
        "Rows in quarantine broke a rule of their contract; [bold]etl_quarantine[/] holds each "
        "with the rule and its payload."
    )
    console.print(
        "Next: [bold]make dev[/] opens the same tables in the Dagster UI; "
        "[bold].venv/bin/etl-assets status[/] shows this table again."
    )
    sys.exit(0 if good else 1)


def _known(tables: Sequence[str]) -> list[str]:
    from etl_assets.tables.registry import layer_tables

    unknown = [path for path in tables if path not in layer_tables()]
    if unknown:
        raise click.UsageError(
            f"No table {', '.join(unknown)}. There are: {', '.join(layer_tables())}."
        )
    return list(tables or layer_tables())


def _backfill(settings: Settings, paths: Sequence[str], window: Window) -> bool:
    from etl_assets.orchestration.backfill import backfill, home_instance
    from etl_assets.orchestration.partitions import check_window
    from etl_assets.orchestration.platform import Platform

    check_window(window, settings)
    days = (window.last - window.first).days + 1
    with _progress(len(paths) * days) as on_day, home_instance(settings) as instance:
        result = backfill(Platform(settings, on_day), paths, window, instance)
    errors = Console(stderr=True)
    for message in dict.fromkeys(result.messages):
        errors.print(f"[bold red]error:[/] {message}", highlight=False)
    for path, skipped in result.skipped.items():
        if skipped:
            errors.print(
                f"[yellow]skipped:[/] {path}: {len(skipped)} days whose upstream days failed",
                highlight=False,
            )
    return result.succeeded


class _WallTime(ProgressColumn):
    """The time since the command began: with the imports, and with what follows the last day."""

    def render(self, task: Task) -> Text:  # noqa: ARG002 - all tasks began together
        """The time as h:mm:ss."""
        return Text(str(timedelta(seconds=int(time.monotonic() - _BEGAN))), "progress.elapsed")


@contextmanager
def _progress(total: int) -> "Iterator[Any]":
    """A bar that counts table partitions; yields what to call for each."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        _WallTime(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting Dagster", total=total)

        def on_day(path: str, _day: date, _good: bool) -> None:
            bar.update(task, advance=1, description=path)

        yield on_day
        bar.update(task, description="done")


def _print_status(settings: Settings) -> None:
    from etl_assets.orchestration.platform import Platform
    from etl_assets.pipeline.status import ago, summarise
    from etl_assets.tables.registry import layer_tables

    with closing(Platform(settings).warehouse) as warehouse:
        lines = summarise(warehouse.state(), layer_tables(), datetime.now(UTC))
    if not lines:
        console.print("Nothing is published yet. Run [bold]etl-assets backfill[/].")
        return
    table = Table(title="Published tables", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("table", no_wrap=True)
    for name in ("days", "rows", "checks passed", "failed", "quarantined"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("high watermark", no_wrap=True)
    table.add_column("verified through", no_wrap=True)
    table.add_column("fresh", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for line in lines:
        mark = line.high_watermark
        table.add_row(
            line.table,
            f"{line.partitions:,}",
            f"{line.rows:,}",
            f"[green]{line.checks_passed:,}[/]",
            f"[yellow]{line.checks_failed}[/]" if line.checks_failed else "0",
            f"[yellow]{line.quarantined}[/]" if line.quarantined else "0",
            f"{mark:%Y-%m-%d %H:%M}" if mark else "—",
            f"{line.verified_through:%Y-%m-%d %H:%M}" if line.verified_through else "—",
            ago(line.freshness),
            f"{line.seconds:.1f}",
        )
    # Wider than a pipe's 80 columns: a row that wraps cannot be read.
    Console(width=max(console.width, 144)).print(table)
