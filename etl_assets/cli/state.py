"""`etl-assets state`: where the sync of a table stands, and how it is set back.

What reads and moves the position is `pipeline/sync_log.py`.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import Place
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Column,
    Row,
    Table,
    json_option,
    number,
    print_done,
    print_json,
    print_rows,
    wants_json,
)
from etl_assets.cli.tables import sources, syncing
from etl_assets.cli.visible import echo

if TYPE_CHECKING:
    from etl_assets.core.position import Position
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform


@click.group()
def state() -> None:
    """Show where the sync of a table stands, and set it back."""


@state.command()
@click.argument("table")
@json_option
def show(table: str) -> None:
    """Where the sync of TABLE stands, and since when."""
    from etl_assets.core.keeping import open_from
    from etl_assets.pipeline.status import verified_through
    from etl_assets.pipeline.sync_log import position_of

    platform, found = _opened(table)
    with closing(platform.warehouse) as warehouse:
        row = warehouse.table_state(found)
        # A first load that was refused leaves a row, too.
        states = warehouse.state(found)
        is_published = row is not None and bool(row.row_count or states)
    position, reload = position_of(found, row), row.reload_reasons if row else {}
    verified = verified_through(states, open_from(found, datetime.now(UTC)))
    if wants_json():
        told = {
            "table": found.path,
            "is_published": is_published,
            "high_watermark": position.moment if position else None,
            "watermark_key": list(position.key) if position else None,
            **({"version": position.number} if position and position.number is not None else {}),
            "updated_at": row.updated_at if row else None,
            "run_id": row.run_id if row else None,
            "verified_through": verified,
            "days_to_reload": {day.isoformat(): why for day, why in reload.items()},
        }
        print_json(told)
        return
    if row is None:
        echo(f"{found.path} was never published: a sync will read every row.")
        return
    lines = {
        "high_watermark": _place(position) if position else "none: every row is next",
        "watermark_key": ", ".join(map(str, position.key)) or "all of that moment"
        if position
        else "—",
        "updated_at": row.updated_at.isoformat(),
        "run_id": row.run_id,
        "verified_through": verified.isoformat() if verified else "never",
        "days to reload": "; ".join(f"{d}: {why}" for d, why in reload.items()) or "none",
    }
    for name, value in lines.items():
        echo(f"{name:<17} {value}")


@state.command()
@click.argument("table")
@click.option("--most", default=20, show_default=True, help="How many lines.")
@json_option
def history(table: str, most: int) -> None:
    """How the position of TABLE moved, newest first."""
    from etl_assets.core.state import Happening

    platform, found = _opened(table)
    with closing(platform.warehouse) as warehouse:
        entries = warehouse.history(found, Happening.WATERMARK, most)
    rows = []
    for entry in entries:
        told = json.loads(entry.payload)
        rows.append(
            {
                "at": entry.at,
                "from": _stood(told["from"]),
                "to": _stood(told["to"]),
                "why": str(told["why"]),
                "rows": told["rows"],
                "run_id": entry.run_id,
            }
        )
    columns = (
        Column("at", "at (UTC)", lambda row: f"{row['at']:%Y-%m-%d %H:%M:%S}"),
        Column("from", text=lambda row: _moment(row["from"])),
        Column("to", text=lambda row: _moment(row["to"])),
        Column("why"),
        number("rows"),
        Column("run_id", "run", lambda row: str(row["run_id"])[:8]),
    )
    empty = f"{found.path} has no position yet: etl-assets sync {found.path}."
    print_rows(Table("history", f"{found.path}: its position", columns, rows, empty=empty))


@state.command()
@click.argument("table")
@click.option(
    "--to", "place", type=Place(), help="The moment to go on from (UTC), or the version's number."
)
@click.option("--everything", is_flag=True, help="Go on from the very beginning.")
@json_option
def rewind(table: str, place: datetime | int | None, everything: bool) -> None:
    """Set the position of TABLE back, so that its next sync reads again what changed since."""
    from etl_assets.pipeline.rewind import rewind as set_back

    if (place is None) is not everything:
        raise click.UsageError("Say how far, in one way: --to <moment>, or --everything.")
    platform, found = _opened(table)
    with closing(platform.warehouse) as warehouse:
        before = set_back(warehouse, found, place)
    stood = _place(before) if before else "the beginning"
    onward = place.isoformat() if isinstance(place, datetime) else f"version {place}"
    print_done(
        {"table": found.path, "before": _record(before), "place": place},
        f"{found.path} stood at {stood} and goes on from "
        f"{'the beginning' if everything else onward}; run: etl-assets sync {found.path}",
    )


@state.command()
@click.argument("table")
@json_option
def accept(table: str) -> None:
    """Take the source columns of TABLE, whose drift policy freezes them, as they are now."""
    from etl_assets.pipeline.sync_log import remember_columns

    platform = open_platform()
    (found,) = sources(catalog_of(platform), (table,))
    with closing(platform), platform.source(found).again(None).open() as snapshot:
        columns = snapshot.columns
        remember_columns(platform.warehouse, found, columns, "accepted")
    told = ", ".join(f"{name} ({shown})" for name, shown in columns)
    record = {"table": found.path, "columns": dict(columns)}
    print_done(record, f"{found.path}: accepted {told}.")


def _opened(name: str) -> "tuple[Platform, LayerTable]":
    """The platform and the one table, which must have a cursor."""
    platform = open_platform()
    (found,) = syncing(catalog_of(platform), (name,))
    return platform, found


def _place(position: "Position") -> str:
    return position.moment.isoformat() if position.number is None else position.shown


def _record(position: "Position | None") -> Mapping[str, Any] | None:
    """For JSON: the moment, or the number of a version."""
    if position is None:
        return None
    return {"moment": position.moment, "version": position.number}


def _stood(position: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The same of an entry of the log; None is the beginning."""
    if not position:
        return None
    if "version" in position:
        return {"moment": None, "version": position["version"]}
    return {"moment": datetime.fromisoformat(position["moment"]), "version": None}


def _moment(position: Row | None) -> str:
    if not position:
        return "the beginning"
    if position["version"] is not None:
        return f"version {position['version']}"
    return f"{position['moment']:%Y-%m-%d %H:%M:%S.%f}"[:-3]
