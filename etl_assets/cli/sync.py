"""`etl-assets sync`: read what changed in the source. The runs are `orchestration/commands.py`.

Dagster is imported only where there is something to do.
"""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import click

from etl_assets.cli.derive import print_derived
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, end, print_sources, print_table, print_warning
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
    from etl_assets.pipeline.idle import idle_syncs, is_behind

    platform = open_platform()
    catalog = catalog_of(platform)
    chosen = syncing(catalog, tables)
    print_sources(platform, chosen)
    idle = idle_syncs(platform, chosen)
    derived = catalog.downstream_of(table.path for table in chosen)
    if len(idle) == len(chosen) and (derive is False or not is_behind(platform, derived)):
        _print_reports(idle.values())
        end([])
    from etl_assets.orchestration.commands import run_sync

    synced = run_sync(platform, chosen, derive=derive, idle=idle)
    reports = idle | {report.table: report for report in synced.reports}
    _print_reports([reports[table.path] for table in chosen if table.path in reports])
    if any(synced.derived.done.values()) or not synced.derived.succeeded:
        print_derived(synced.derived)
    end([*synced.failures.values(), *synced.derived.messages])


def _print_reports(reports: "Collection[SyncReport]") -> None:
    columns = {"table": "left", **dict.fromkeys(_NUMBERS, "right")}
    columns |= {"stands at": "left", "held back by": "left"}
    if reports:
        print_table("Synced tables", columns, map(_cells, reports), wraps="held back by")
    print_notes(reports)


def print_notes(reports: "Iterable[SyncReport]") -> None:
    """What a person should know of the syncs, each sentence once."""
    notes = [note for report in reports for note in report.notes()]
    for note in dict.fromkeys(notes):
        print_warning(note)


def _cells(report: "SyncReport") -> list[Cell]:
    last = report.last
    mark = last.mark if last else None
    return [
        report.table,
        f"{report.rows:,}",
        f"{report.changed:,}",
        f"{report.removed:,}",
        f"{len(report.days | report.loaded_whole):,}",
        mark.shown if mark else "—",
        (last.horizon.held_by if last else None) or "—",
    ]
