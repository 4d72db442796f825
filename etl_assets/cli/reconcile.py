"""`etl-assets reconcile`: compare source and warehouse, row by row, and repair what differs."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Cell,
    Column,
    Row,
    Table,
    end,
    json_option,
    number,
    print_rows,
    print_sources,
    tell,
)
from etl_assets.cli.progress import progress
from etl_assets.cli.sync import print_notes
from etl_assets.cli.tables import comparable, without_comparable_key
from etl_assets.config import read_settings
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.pipeline.reconcile import Reconciliation

_NUMBERS = ("days", "missing", "changed", "extra", "pending", "days_that_differ")


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--repair", is_flag=True, help="Bring what differs; without it, it is only shown.")
@click.option("--confirm-deletes", is_flag=True, help="Remove however many rows are gone.")
@json_option
def reconcile(tables: tuple[str, ...], repair: bool, confirm_deletes: bool) -> None:
    """Sync TABLES (default: all that have a source) if they have a cursor, then compare them with
    the source, row by row."""
    if confirm_deletes and not repair:
        raise click.UsageError("--confirm-deletes goes with --repair.")
    from etl_assets.orchestration.commands import run_reconcile

    with closing(open_platform(read_settings())) as platform:
        catalog = catalog_of(platform)
        chosen = comparable(catalog, tables)
        left_out = [] if tables else without_comparable_key(catalog)
        print_sources(platform, chosen)
        with progress("table", len(chosen), "starting Dagster", done="Compared") as shown:
            platform.on_begin = lambda table: shown.at(f"syncing {table}")
            platform.on_sync = lambda report: shown.at(f"comparing {report.table}")
            platform.on_reconciled = lambda one: shown.step(one.table)
            reports, found, failures = run_reconcile(
                platform, chosen, repair=repair, confirm_deletes=confirm_deletes
            )
            shown.has_errors = bool(failures)
    print_notes(reports)
    _print_reconciliations(found)
    for path in left_out:
        tell(
            f"{path}: not compared, for no checksum covers its key. Load its days again: "
            f"etl-assets backfill {path}."
        )
    end(failures.values())


def _print_reconciliations(found: Sequence["Reconciliation"]) -> None:
    columns = (Column("table"), *map(number, _NUMBERS), Column("verdict", text=_verdict))
    print_rows(Table("compared", "Source and warehouse", columns, [_row(one) for one in found]))
    for one in found:
        for told in _of_kept(one):
            tell(told)
    left_out = {one.table: one.left_out for one in found if one.left_out}
    for table, names in left_out.items():
        tell(f"{table}: not compared, for no checksum covers them: {', '.join(names)}.")
    for one in found:
        if one.lacking:
            tell(f"{one.lacking} They were not compared.")
    if any(one.repair for one in found):
        tell(
            "What is made of the repaired days is late now: etl-assets derive makes it again, and "
            "etl-assets dev does so by itself."
        )


def _of_kept(one: "Reconciliation") -> Iterator[str]:
    """Rows that stay although the source no longer has them, and days that were not compared."""
    now = one.now
    if now.open_from is not None:
        yield f"{one.table}: days before {now.open_from} are closed, and were not compared."
    if now.kept:
        yield (
            f"{one.table}: {count_of(now.kept, 'row')} that the source no longer has "
            f"{'stays' if now.kept == 1 else 'stay'}."
        )
    if now.unmarked.height:
        yield (
            f"{one.table}: {now.unmarked.height:,} of them do not say so yet; mark them: "
            f"etl-assets reconcile {one.table} --repair."
        )


def _row(one: "Reconciliation") -> dict[str, Any]:
    differences, now = one.differences, one.now
    return {
        "table": one.table,
        "days": len(differences.compared_days),
        "missing": differences.missing.height,
        "changed": differences.changed.height,
        "extra": differences.extra.height,
        "pending": differences.pending,
        "days_that_differ": len(differences.days),
        "is_equal": one.is_equal,
        "is_repaired": one.repair is not None,
        "verified_through": one.verified_through if one.is_equal else None,
        "rows_without_day": now.without_day,
        "rows_kept": now.kept,
        "columns_not_compared": list(one.left_out),
    }


def _verdict(row: Row) -> Cell:
    if not row["is_equal"]:
        return "differs", "red"
    through = f"{row['verified_through']:%Y-%m-%d %H:%M:%S}"
    without = row["rows_without_day"]
    but = f", but for {count_of(without, 'row')} without a day" if without else ""
    return f"{'repaired' if row['is_repaired'] else 'equal'} through {through}{but}", "green"
