"""The commands of `etl-assets` about syncs: `sync`, `reconcile`, `state`.

What they call is in `orchestration/commands.py` and `sync_state.py`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from etl_assets.config import read_settings
from etl_assets.core.state import Happening
from etl_assets.core.table import LayerTable

if TYPE_CHECKING:
    from etl_assets.orchestration.syncs import SyncReport
    from etl_assets.pipeline.reconcile import Reconciliation

_WIDE = 144


class Moment(click.ParamType[datetime]):
    """A moment, ISO 8601; UTC where it says nothing else."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment in UTC; click's usage error for anything else."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment: write 2024-01-31T12:00.", param, ctx)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@click.command()
@click.argument("tables", nargs=-1)
def sync(tables: tuple[str, ...]) -> None:
    """Read what changed in TABLES (raw/orders …; default: all with a cursor), until caught up."""
    from etl_assets.orchestration.commands import run_sync

    reports, failures = run_sync(read_settings(), _syncing(tables))
    _print_syncs(reports)
    _end(failures)


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--repair", is_flag=True, help="Bring what differs; without it, it is only shown.")
@click.option("--confirm-deletes", is_flag=True, help="Remove however many rows are gone.")
def reconcile(tables: tuple[str, ...], repair: bool, confirm_deletes: bool) -> None:
    """Sync TABLES (default: all with a cursor), then compare them with the source, row by row."""
    from etl_assets.orchestration.commands import run_reconcile

    if confirm_deletes and not repair:
        raise click.UsageError("--confirm-deletes goes with --repair.")
    reports, found, failures = run_reconcile(
        read_settings(), _syncing(tables), repair=repair, confirm_deletes=confirm_deletes
    )
    _print_notes(reports)
    _print_reconciliations(found)
    _end(failures)


@click.group()
def state() -> None:
    """Look at where the sync of a table stands, and set it back."""


@state.command()
@click.argument("table")
def show(table: str) -> None:
    """Where the sync of TABLE stands, and since when."""
    from etl_assets.orchestration.platform import Platform
    from etl_assets.pipeline.sync_log import owed_days, position_of

    (found,) = _syncing((table,))
    with closing(Platform(read_settings()).warehouse) as warehouse:
        look = warehouse.look(found)
    row, position, owed = look.own, position_of(found, look.own), owed_days(look)
    if row is None:
        click.echo(f"{table} was never published: a sync will read every row.")
        return
    lines = {
        "high_watermark": position.moment.isoformat() if position else "none: every row is next",
        "watermark_key": ", ".join(map(str, position.key)) or "all of that moment"
        if position
        else "—",
        "updated_at": row.updated_at.isoformat(),
        "run_id": row.run_id,
        "verified_through": row.verified_through.isoformat() if row.verified_through else "never",
        "days owed": ", ".join(map(str, owed)) or "none",
    }
    for name, value in lines.items():
        click.echo(f"{name:<17} {value}")


@state.command()
@click.argument("table")
@click.option("--most", default=20, show_default=True, help="How many lines.")
def history(table: str, most: int) -> None:
    """How the position of TABLE moved, newest first."""
    from etl_assets.orchestration.platform import Platform

    (found,) = _syncing((table,))
    with closing(Platform(read_settings()).warehouse) as warehouse:
        entries = warehouse.history(found, Happening.WATERMARK, most)
    shown = Table(title=f"{table}: its position", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("at (UTC)", "from", "to", "why", "rows", "run"):
        shown.add_column(name, no_wrap=True)
    for entry in entries:
        told = json.loads(entry.payload)
        shown.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            _told(told["from"]),
            _told(told["to"]),
            told["why"],
            f"{told['rows']:,}",
            entry.run_id[:8],
        )
    _console().print(shown)


@state.command()
@click.argument("table")
@click.option("--to", "moment", type=Moment(), help="The moment to go on from (UTC).")
@click.option("--everything", is_flag=True, help="Go on from the very beginning.")
def rewind(table: str, moment: datetime | None, everything: bool) -> None:
    """Set the position of TABLE back, so that its next sync reads again what changed since."""
    from etl_assets.orchestration.platform import Platform
    from etl_assets.pipeline.sync_log import rewind as set_back

    if (moment is None) is not everything:
        raise click.UsageError("Say how far, in one way: --to <moment>, or --everything.")
    (found,) = _syncing((table,))
    with closing(Platform(read_settings()).warehouse) as warehouse:
        before = set_back(warehouse, found, moment)
    stood = before.isoformat() if before else "the beginning"
    click.echo(
        f"{table} stood at {stood} and goes on from "
        f"{moment.isoformat() if moment else 'the beginning'}; run: etl-assets sync {table}"
    )


@state.command()
@click.argument("table")
def accept(table: str) -> None:
    """Take the source columns of TABLE, whose drift policy freezes them, as they are now."""
    from etl_assets.orchestration.platform import Platform
    from etl_assets.pipeline.sync_log import accept as take

    (found,) = _syncing((table,))
    platform = Platform(read_settings())
    with closing(platform), platform.reader().snapshot(found) as snapshot:
        columns = snapshot.source_types
        take(platform.warehouse, found, columns)
    click.echo(f"{table}: accepted {', '.join(f'{name} ({shown})' for name, shown in columns)}.")


def _syncing(paths: Sequence[str]) -> list[LayerTable]:
    """The named tables, or all, that have a cursor; click's usage error for others."""
    from etl_assets.tables.registry import layer_tables

    known = {path: table for path, table in layer_tables().items() if table.syncs}
    for path in paths:
        if path not in known:
            told = "has no cursor" if path in layer_tables() else "is no table"
            raise click.UsageError(f"{path} {told}. These can be synced: {', '.join(known)}.")
    return [known[path] for path in paths or known]


def _print_syncs(reports: Sequence["SyncReport"]) -> None:
    shown = Table(title="Synced tables", title_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("table", no_wrap=True)
    for name in ("rows read", "changed", "removed", "days touched"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("stands at (UTC)", no_wrap=True)
    shown.add_column("held back by")
    for report in reports:
        last = report.last
        mark = last.mark.moment if last and last.mark else None
        shown.add_row(
            report.table,
            f"{report.rows:,}",
            f"{report.changed:,}",
            f"{report.removed:,}",
            f"{len(report.days):,}",
            f"{mark:%Y-%m-%d %H:%M:%S}" if mark else "—",
            (last.horizon.held_by if last else None) or "—",
        )
    if reports:
        _console().print(shown)
    _print_notes(reports)


def _print_notes(reports: Sequence["SyncReport"]) -> None:
    notes = [note for report in reports for note in report.notes()]
    for note in dict.fromkeys(notes):
        Console(stderr=True).print(f"[yellow]warning:[/] {note}", highlight=False)


def _print_reconciliations(found: Sequence["Reconciliation"]) -> None:
    shown = Table(title="Source and warehouse", title_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("table", no_wrap=True)
    names = ("days", "missing", "changed", "extra", "pending", "days that differ")
    for name in names:
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    for one in found:
        differences = one.differences
        numbers = [
            len(differences.compared_days),
            differences.missing.height,
            differences.changed.height,
            differences.extra.height,
            differences.pending,
            len(differences.days),
        ]
        through = f"{one.verified_through:%Y-%m-%d %H:%M:%S}"
        verdict = "[red]differs[/]"
        if one.is_equal:
            verdict = f"[green]{'repaired' if one.outcome else 'equal'}[/] through {through}"
        shown.add_row(one.table, *(f"{number:,}" for number in numbers), verdict)
    if found:
        _console().print(shown)
    left_out = {one.table: one.left_out for one in found if one.left_out}
    for table, columns in left_out.items():
        click.echo(f"{table}: not compared, for no checksum covers them: {', '.join(columns)}.")


def _told(position: Mapping[str, Any] | None) -> str:
    if not position:
        return "the beginning"
    return f"{datetime.fromisoformat(position['moment']):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _console() -> Console:
    # Wider than a pipe's 80 columns: a row that wraps cannot be read.
    return Console(width=max(Console().width, _WIDE))


def _end(failures: Mapping[str, str]) -> None:
    errors = Console(stderr=True)
    for message in dict.fromkeys(failures.values()):
        errors.print(f"[bold red]error:[/] {message}", highlight=False)
    if failures:
        sys.exit(1)
