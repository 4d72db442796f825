"""`etl-assets status`: what is published, a line a table. The sums are `pipeline/status.py`."""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from etl_assets.cli.event_freshness import print_freshness
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, print_json, print_table, print_warning
from etl_assets.core.errors import EtlError

if TYPE_CHECKING:
    from etl_assets.core.catalog import Catalog
    from etl_assets.core.state import TableState
    from etl_assets.core.table import LayerTable
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
@click.option("--files", "with_files", is_flag=True, help="List the objects of files, too.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object a table.")
def status(with_files: bool, as_json: bool) -> None:
    """Show what is published: a line a table, and what a person should know of it.

    Days of files are late only with --files: then the stores are listed. Where EVENTS_DATABASE_URL
    is set it also shows how fresh each source of events is; as JSON: etl-assets events status.
    """
    platform = open_platform()
    print_status(platform, with_files=with_files, as_json=as_json)
    if not as_json:
        print_freshness(platform.settings)


def print_status(platform: "Platform", *, with_files: bool = False, as_json: bool = False) -> None:
    """Print the summary of the platform's warehouse, with late days of files if asked for."""
    from etl_assets.pipeline.status import late_files_note, never_made_note

    catalog = catalog_of(platform)
    lines, late = _lines(platform, catalog, with_files=with_files)
    if as_json:
        print_json([line.as_dict() for line in lines])
        return
    if name := platform.settings.environment:
        click.echo(f"Environment {name}: production is read where {name} has published nothing.")
    if not lines:
        click.echo(
            f"Nothing is published yet. Run {click.style('etl-assets backfill', bold=True)}."
        )
    numbers = dict.fromkeys(_NUMBERS, "right")
    moments = dict.fromkeys(_MOMENTS, "left")
    columns = {"table": "left", **numbers, **moments, "fresh": "right", "seconds": "right"}
    if lines:
        print_table("Published tables", columns, map(_cells, lines))
    for fact in (fact for line in lines for fact in line.facts()):
        click.echo(fact)
    for note in (note for line in lines for note in line.notes()):
        print_warning(note)
    for path in sorted(late.keys() - {line.table for line in lines}):
        told = late_files_note if catalog[path].is_of_files else never_made_note
        print_warning(told(path, late[path]))


def _lines(
    platform: "Platform", catalog: "Catalog", *, with_files: bool
) -> "tuple[list[TableStatus], Counter[str]]":
    """The published tables, and how many days of each table are late."""
    from etl_assets.core.gained import lacking_by_table, lacking_note
    from etl_assets.core.keeping import open_from
    from etl_assets.pipeline.kept_rows import kept_counts
    from etl_assets.pipeline.status import summarise

    of_files = [table for table in catalog.values() if table.is_of_files]
    with closing(platform.warehouse) as warehouse:
        states = warehouse.seen.state()
        tables = warehouse.seen.table_states()
        late_files = _late_files(platform, of_files) if with_files else {}
        kept = kept_counts(warehouse.seen, catalog.values(), states)
    late = Counter(one.table for one in platform.late_of(states, tables))
    late.update(late_files)
    paths = {table.path for table in of_files}
    lines = summarise(
        states,
        catalog,
        datetime.now(UTC),
        scope=platform.scope,
        reloads={one.table_name: one.reload_reasons for one in tables},
        versions={table.versions.path for table in catalog.values() if table.versions},
        late=late,
        of_files=paths,
        syncing={table.path for table in catalog.values() if table.syncs},
        open_from={
            path: first
            for path, table in catalog.items()
            if (first := open_from(table, datetime.now(UTC)))
        },
        kept=kept,
        undeclared=_undeclared(catalog, tables),
        lacking={
            path: lacking_note(catalog[path], days)
            for path, days in lacking_by_table(catalog, states, tables).items()
            if catalog[path].source is not None
        },
    )
    return lines, late


def _undeclared(catalog: "Catalog", states: "Iterable[TableState]") -> dict[str, list[str]]:
    """The columns that sources had when they were seen last, and contracts neither have nor ignore.

    Files have columns of their own each, and Drift.EVOLVE keeps such columns: nothing is said of
    them here.
    """
    from etl_assets.core.drift import compare
    from etl_assets.core.policies import Drift
    from etl_assets.pipeline.sync_log import columns_seen

    found = {}
    for state in states:
        table, seen = catalog.get(state.table_name), columns_seen(state)
        if table is not None and table.source is not None and seen and not table.is_of_files:
            added = () if table.drift is Drift.EVOLVE else compare(table, seen, seen).added
            found[table.path] = [f"{name} ({shown})" for name, shown in added]
    return found


def _late_files(platform: "Platform", tables: "Iterable[LayerTable]") -> dict[str, int]:
    """How many days of each table of files are late; a store that is away is told of."""
    found = {}
    for table in tables:
        try:
            look = platform.look_at_files(table)
            found[table.path] = len(look.late) - look.forgotten  # which the summary has anyway
        except EtlError as error:
            print_warning(f"{table.path}: {error}")
    return {path: number for path, number in found.items() if number}


def _cells(line: "TableStatus") -> list[Cell]:
    from etl_assets.pipeline.status import ago

    return [
        line.table,
        f"{line.partitions:,}",
        f"{line.rows:,}",
        (f"{line.checks_passed:,}", "green"),
        _number(line.checks_failed, "yellow"),
        _number(line.quarantined, "yellow"),
        _number(len(line.refused), "red"),
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
