"""`etl-assets sync`: read what changed in the source. The runs are `orchestration/commands.py`.

Dagster is imported only where there is something to do.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Column,
    Row,
    Table,
    end,
    json_option,
    number,
    print_json,
    print_sources,
    print_tables,
    print_warning,
    wants_json,
)
from etl_assets.cli.tables import syncing

if TYPE_CHECKING:
    from etl_assets.orchestration.backfill import BackfillResult
    from etl_assets.pipeline.sync_report import SyncReport

_COLUMNS = (
    Column("table"),
    *map(number, ("rows_read", "changed", "removed", "days_touched")),
    Column("stands_at", text=lambda row: _place(row)),
    Column("held_back_by"),
)


@click.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--derive/--no-derive",
    default=None,
    help="Make the staged and enriched days that are late then. Default: yes, unless the sensors "
    "of a running `etl-assets dev` do it.",
)
@json_option
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
        _print(list(idle.values()), None)
        end([])
    from etl_assets.cli.progress import progress
    from etl_assets.orchestration.commands import run_sync

    busy = len(chosen) - len(idle)
    with progress("table", busy, "starting Dagster", done="Synced") as shown:
        platform.on_begin = lambda table: shown.at(f"syncing {table}")
        platform.on_sync = lambda report: shown.step(report.table)
        platform.on_day, platform.on_work = shown.on_day, shown.on_work
        platform.on_wait = shown.at
        synced = run_sync(platform, chosen, derive=derive, idle=idle)
        shown.has_errors = bool(synced.failures) or not synced.derived.succeeded
    reports = idle | {report.table: report for report in synced.reports}
    _print([reports[table.path] for table in chosen if table.path in reports], synced.derived)
    end([*synced.failures.values(), *synced.derived.messages])


def _print(reports: "list[SyncReport]", derived: "BackfillResult | None") -> None:
    rows = [_row(report) for report in reports]
    table = Table("synced", "Synced tables", _COLUMNS, rows, wraps="held_back_by")
    has_derived = derived and (any(derived.done.values()) or not derived.succeeded)
    if wants_json():
        from etl_assets.cli.backfill import result_rows

        print_json({"synced": rows, "derived": result_rows(derived) if derived else []})
    else:
        print_tables([table])
    print_notes(reports)
    if derived and has_derived:
        from etl_assets.cli.derive import print_derived

        print_derived(derived)


def _place(row: Row) -> str:
    """Where it stands: a moment (UTC), or the number of a version."""
    from etl_assets.core.cursor import LEAST

    moment, version = row["stands_at"], row["stands_at_version"]
    if version is not None:
        return "before every version" if version == LEAST else f"version {version}"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "—"


def print_notes(reports: "Iterable[SyncReport]") -> None:
    """What a person should know of the syncs, each sentence once."""
    notes = [note for report in reports for note in report.notes()]
    for note in dict.fromkeys(notes):
        print_warning(note)


def _row(report: "SyncReport") -> dict[str, Any]:
    last = report.last
    mark = last.mark if last else None
    return {
        "table": report.table,
        "rows_read": report.rows,
        "changed": report.changed,
        "removed": report.removed,
        "days_touched": len(report.days | report.loaded_whole),
        "stands_at": mark.moment if mark and mark.number is None else None,
        "stands_at_version": mark.number if mark else None,
        "held_back_by": (last.horizon.held_by if last else None) or None,
        "rows_outside_days": report.outside,
        "rows_without_cursor": report.without_cursor,
    }
