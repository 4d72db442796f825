"""`etl-assets sync`: read what changed in the source. The runs are `orchestration/commands.py`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from etl_assets.cli.derive import print_derived
from etl_assets.cli.opened import catalog_of, open_platform, say_sources
from etl_assets.cli.output import Cell, end, print_table, print_warning
from etl_assets.cli.tables import syncing

if TYPE_CHECKING:
    from etl_assets.pipeline.sync_report import SyncReport

_NUMBERS = ("rows read", "changed", "removed", "days touched")


@click.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--derive/--no-derive",
    default=None,
    help="Make the staged and enriched days that are late then. Default: yes, unless the sensors "
    "of a running `etl-assets dev` do it.",
)
def sync(tables: tuple[str, ...], derive: bool | None) -> None:
    """Read what changed in TABLES (raw/orders …; default: all with a cursor), until caught up."""
    platform = open_platform()
    chosen = syncing(catalog_of(platform), tables)
    say_sources(platform, chosen)
    from etl_assets.orchestration.commands import run_sync

    synced = run_sync(platform, chosen, derive=derive)
    reports = synced.reports
    columns = {"table": "left", **dict.fromkeys(_NUMBERS, "right")}
    columns |= {"stands at (UTC)": "left", "held back by": "left"}
    if reports:
        print_table("Synced tables", columns, map(_cells, reports), wraps="held back by")
    print_notes(reports)
    print_derived(synced.derived)
    end(synced.failures.values(), failed=not synced.derived.succeeded)


def print_notes(reports: Sequence["SyncReport"]) -> None:
    """What a person should know of the syncs, each sentence once."""
    notes = [note for report in reports for note in report.notes()]
    for note in dict.fromkeys(notes):
        print_warning(note)


def _cells(report: "SyncReport") -> list[Cell]:
    last = report.last
    mark = last.mark.moment if last and last.mark else None
    return [
        report.table,
        f"{report.rows:,}",
        f"{report.changed:,}",
        f"{report.removed:,}",
        f"{len(report.days):,}",
        f"{mark:%Y-%m-%d %H:%M:%S}" if mark else "—",
        (last.horizon.held_by if last else None) or "—",
    ]
