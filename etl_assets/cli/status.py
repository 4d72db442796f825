"""`etl-assets status`: what is published, a line a table, and what waits for what.

The sums are `pipeline/status.py`, the sentences `pipeline/status_notes.py`, what waits is
`core/waiting.py`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.environment import tell_environment
from etl_assets.cli.event_freshness import freshness_rows, print_freshness
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Column,
    Row,
    Table,
    json_option,
    number,
    print_json,
    print_tables,
    print_warning,
    tell,
    wants_json,
)
from etl_assets.cli.visible import styled
from etl_assets.core.errors import EtlError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.core.catalog import Catalog
    from etl_assets.core.lateness import Late
    from etl_assets.core.state import PartitionState, TableState
    from etl_assets.core.table import LayerTable
    from etl_assets.core.waiting import Waiting
    from etl_assets.pipeline.platform import Platform
    from etl_assets.pipeline.status import TableStatus

_MOST_WAITING, _SHOWN = 12, 2


@dataclass(frozen=True)
class _Seen:
    """What the warehouse says now; `never_made` has late days of tables without a line."""

    lines: "Sequence[TableStatus]"
    late: "Sequence[Late]"
    waiting: "Sequence[Waiting]"
    never_made: Mapping[str, int]
    late_files: Mapping[str, int]


@click.command()
@click.option("--files", "with_files", is_flag=True, help="List the objects of files, too.")
@json_option
def status(with_files: bool) -> None:
    """Show what is published, a line a table, what a person should know of it, what waits for what.

    Days of files are late only with --files: then the stores are listed. Where EVENTS_DATABASE_URL
    is set it also shows how fresh each source of events is.
    """
    platform = open_platform()
    print_status(platform, with_files=with_files)


def print_status(platform: "Platform", *, with_files: bool = False) -> None:
    """Print the summary of the platform's warehouse, with late days of files if asked for."""
    catalog = catalog_of(platform)
    seen = _seen(platform, catalog, with_files=with_files)
    if wants_json():
        print_json(_as_json(platform, seen))
    else:
        tell_environment(platform)
        print_tables(_tables(seen))
        more = len(seen.waiting) - _MOST_WAITING
        if more > 0:
            tell(f"{count_of(more, 'more line')} of tables that wait: etl-assets status --json.")
    for fact in (fact for line in seen.lines for fact in line.facts()):
        tell(fact)
    _warn(seen)
    if not wants_json():
        print_freshness(platform.settings)


def _warn(seen: _Seen) -> None:
    from etl_assets.pipeline.status_notes import late_files_note, never_made_notes, notes_of

    for note in notes_of(seen.lines):
        print_warning(note)
    for path, days in seen.late_files.items():
        print_warning(late_files_note(path, days))
    for note in never_made_notes(seen.never_made):
        print_warning(note)


def _tables(seen: _Seen) -> list[Table]:
    bold = styled("etl-assets backfill", bold=True)
    columns = (
        Column("table"),
        number("days"),
        number("rows"),
        number("checks_passed", "green"),
        number("checks_failed", "yellow", "warnings"),
        number("quarantined", "yellow"),
        Column("refused", "refused days", _refused, right=True),
        number("late_days", "yellow"),
        Column("high_watermark"),
        Column("verified_through"),
        Column("fresh_seconds", "fresh", _fresh, right=True),
        Column("load_seconds", "seconds", lambda row: f"{row['load_seconds']:.1f}", right=True),
    )
    rows = [line.as_dict() for line in seen.lines]
    empty = f"Nothing is published yet. Run {bold}."
    waits = (
        Column("table"),
        Column("days", text=lambda row: _parts(row["days"])),
        Column("input", "waits for"),
        Column("waits_for", "days of it", lambda row: _parts(x["day"] for x in row["waits_for"])),
        Column("because"),
    )
    shown = [_waiting_row(one) for one in seen.waiting[:_MOST_WAITING]]
    return [
        Table("published", "Published tables", columns, rows, empty=empty),
        Table("waiting", "What waits for what", waits, shown, wraps="because"),
    ]


def _as_json(platform: "Platform", seen: _Seen) -> dict[str, Any]:
    return {
        "published": [line.as_dict() for line in seen.lines],
        "late": [
            {"table": one.table, "day": None if one.day == WHOLE else one.day, "because": one.why}
            for one in seen.late
        ],
        "waiting": [_waiting_row(one) for one in seen.waiting],
        "events": freshness_rows(platform.settings),
    }


def _waiting_row(one: "Waiting") -> dict[str, Any]:
    return {
        "table": one.table,
        "days": [None if day == WHOLE else day for day in one.days],
        "input": one.input,
        "waits_for": [
            {"day": None if day == WHOLE else day, "because": why}
            for day, why in one.waits_for.items()
        ],
        "because": one.because,
    }


def _seen(platform: "Platform", catalog: "Catalog", *, with_files: bool) -> _Seen:
    from etl_assets.core.gained import lacking_by_table, lacking_note
    from etl_assets.core.keeping import first_open_days
    from etl_assets.pipeline.kept_rows import kept_counts
    from etl_assets.pipeline.other_code import of_other_code
    from etl_assets.pipeline.status import summarise

    now = datetime.now(UTC)
    of_files = [table for table in catalog.values() if table.is_of_files]
    with closing(platform.warehouse) as warehouse:
        states = warehouse.seen.state()
        tables = platform.table_rows()
        late_files = _late_files(platform, of_files) if with_files else {}
        kept = kept_counts(warehouse.seen, catalog.values(), states)
    derived = platform.late_of(states, tables)
    late = Counter(one.table for one in derived) + Counter(late_files)
    opened = first_open_days(catalog.values(), now)
    lines = summarise(
        states,
        catalog,
        now,
        scope=platform.scope,
        reloads={one.table_name: one.reload_reasons for one in tables},
        versions={table.versions.path for table in catalog.values() if table.versions},
        late=late,
        of_files={table.path for table in of_files},
        syncing={table.path for table in catalog.values() if table.syncs},
        open_from=opened,
        kept=kept,
        undeclared=_undeclared(catalog, tables),
        lacking={
            path: lacking_note(catalog[path], days)
            for path, days in lacking_by_table(catalog, states, tables).items()
            if catalog[path].source is not None
        },
        other_code=of_other_code(catalog, states, platform.scope, opened),
    )
    others = {path: late[path] for path in sorted(late.keys() - {line.table for line in lines})}
    return _Seen(
        lines,
        derived,
        _waiting(catalog, states, lines, derived),
        {path: days for path, days in others.items() if not catalog[path].is_of_files},
        {path: days for path, days in others.items() if catalog[path].is_of_files},
    )


def _waiting(
    catalog: "Catalog",
    states: "Iterable[PartitionState]",
    lines: "Iterable[TableStatus]",
    late: "Iterable[Late]",
) -> "list[Waiting]":
    from etl_assets.core.waiting import waiting

    published: dict[str, set[date]] = {}
    for state in states:
        published.setdefault(state.table_name, set()).add(state.partition_key)
    behind: dict[str, dict[date, str]] = {}
    for one in late:
        behind.setdefault(one.table, {})[one.day] = f"it is late: {one.why}"
    refused = {line.table: line.refused for line in lines}
    return waiting(catalog, published, refused, behind)


def _undeclared(catalog: "Catalog", states: "Iterable[TableState]") -> dict[str, list[str]]:
    """The columns that sources had when they were seen last, and contracts neither have nor ignore.

    Drift.EVOLVE keeps such columns. Each file or item of an API may have columns of its own, which
    nobody knows before it is read: of those the days say it, by their check.
    """
    from etl_assets.core.drift import compare
    from etl_assets.core.policies import Drift
    from etl_assets.pipeline.sync_log import columns_seen

    found = {}
    for state in states:
        table, seen = catalog.get(state.table_name), columns_seen(state)
        if table is not None and table.source is not None and seen and table.source.HAS_COLUMNS:
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


def _parts(days: Iterable[date | None]) -> str:
    """`2024-01-01, 2024-01-02 … (9 days)`; a table without days has all of it."""
    every = list(days)
    if None in every:
        return "all of it"
    shown = ", ".join(map(str, every[:_SHOWN]))
    return f"{shown} … ({count_of(len(every), 'day')})" if len(every) > _SHOWN else shown or "—"


def _refused(row: Row) -> tuple[str, str]:
    days = len(row["refused"])
    return f"{days:,}", "red" if days else ""


def _fresh(row: Row) -> str:
    from datetime import timedelta

    from etl_assets.pipeline.status import ago

    seconds = row["fresh_seconds"]
    return ago(None if seconds is None else timedelta(seconds=seconds))
