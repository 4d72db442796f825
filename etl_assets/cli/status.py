"""`etl-assets status`: what is published, a line a table. The sums are `pipeline/status.py`."""

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, counted, print_json, print_table, print_warning

if TYPE_CHECKING:
    from etl_assets.pipeline.platform import Platform
    from etl_assets.pipeline.status import TableStatus

_NUMBERS = (
    "days",
    "rows",
    "checks passed",
    "warnings",
    "quarantined",
    "refused days",
    "late days",
)
_MOMENTS = ("high watermark", "verified through")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object a table.")
def status(as_json: bool) -> None:
    """Show what is published: a line a table, and what a person should know of it."""
    print_status(open_platform(), as_json=as_json)


def print_status(platform: "Platform", *, as_json: bool = False) -> None:
    """Print the summary of the platform's warehouse."""
    lines, late = _lines(platform)
    if as_json:
        print_json([line.as_dict() for line in lines])
        return
    if not lines:
        click.echo(
            f"Nothing is published yet. Run {click.style('etl-assets backfill', bold=True)}."
        )
        return
    numbers = dict.fromkeys(_NUMBERS, "right")
    moments = dict.fromkeys(_MOMENTS, "left")
    columns = {"table": "left", **numbers, **moments, "fresh": "right", "seconds": "right"}
    print_table("Published tables", columns, map(_cells, lines))
    for note in (note for line in lines for note in line.notes()):
        print_warning(note)
    for path in sorted(late.keys() - {line.table for line in lines}):
        days = counted(late[path], "day")
        print_warning(f"{path} was never made, of {days}. Make it: etl-assets derive {path}.")


def _lines(platform: "Platform") -> "tuple[list[TableStatus], Counter[str]]":
    """The published tables, and how many days of each derived table are late."""
    from etl_assets.core.lateness import late_days
    from etl_assets.pipeline.status import summarise

    catalog = catalog_of(platform)
    with closing(platform.warehouse) as warehouse:
        states = warehouse.state()
        tables = warehouse.table_states()
    late = Counter(one.table for one in platform.of_this_platform(late_days(catalog, states)))
    lines = summarise(
        states,
        catalog,
        datetime.now(UTC),
        scope=platform.scope,
        days_to_reload={one.table_name: sorted(one.reload_reasons) for one in tables},
        versions={table.versions.path for table in catalog.values() if table.versions},
        late=late,
    )
    return lines, late


def _cells(line: "TableStatus") -> list[Cell]:
    from etl_assets.pipeline.status import ago

    return [
        line.table,
        f"{line.partitions:,}",
        f"{line.rows:,}",
        (f"{line.checks_passed:,}", "green"),
        _number(line.checks_failed, "yellow"),
        _number(line.quarantined, "yellow"),
        _number(len(line.days_to_reload), "red"),
        _number(line.late_days, "yellow"),
        _minute(line.high_watermark),
        _minute(line.verified_through),
        ago(line.freshness),
        f"{line.seconds:.1f}",
    ]


def _number(number: int, colour: str) -> Cell:
    return f"{number:,}", colour if number else ""


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "—"
