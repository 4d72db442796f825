"""`etl-assets reconcile`: compare source and warehouse, row by row, and repair what differs."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, end, print_sources, print_table
from etl_assets.cli.sync import print_notes
from etl_assets.cli.tables import comparable, without_comparable_key
from etl_assets.config import read_settings

if TYPE_CHECKING:
    from etl_assets.pipeline.reconcile import Reconciliation

_NUMBERS = ("days", "missing", "changed", "extra", "pending", "days that differ")


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--repair", is_flag=True, help="Bring what differs; without it, it is only shown.")
@click.option("--confirm-deletes", is_flag=True, help="Remove however many rows are gone.")
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
        reports, found, failures = run_reconcile(
            platform, chosen, repair=repair, confirm_deletes=confirm_deletes
        )
    print_notes(reports)
    _print_reconciliations(found)
    for path in left_out:
        click.echo(
            f"{path}: not compared, for no checksum covers its key. Load its days again: "
            f"etl-assets backfill {path}."
        )
    end(failures.values())


def _print_reconciliations(found: Sequence["Reconciliation"]) -> None:
    columns = {"table": "left", **dict.fromkeys(_NUMBERS, "right"), "verdict": "left"}
    if found:
        print_table("Source and warehouse", columns, map(_cells, found))
    for one in found:
        for told in _of_kept(one):
            click.echo(told)
    left_out = {one.table: one.left_out for one in found if one.left_out}
    for table, names in left_out.items():
        click.echo(f"{table}: not compared, for no checksum covers them: {', '.join(names)}.")
    for one in found:
        if one.lacking:
            click.echo(f"{one.lacking} They were not compared.")
    if any(one.repair for one in found):
        click.echo(
            "What is made of the repaired days is late now: etl-assets derive makes it again, and "
            "etl-assets dev does so by itself."
        )


def _of_kept(one: "Reconciliation") -> Iterator[str]:
    """Rows that stay although the source no longer has them, and days that were not compared."""
    now = one.now
    if now.open_from is not None:
        yield f"{one.table}: days before {now.open_from} are closed, and were not compared."
    if now.kept:
        yield f"{one.table}: {now.kept:,} rows that the source no longer has stay."
    if now.unmarked.height:
        yield (
            f"{one.table}: {now.unmarked.height:,} of them do not say so yet; mark them: "
            f"etl-assets reconcile {one.table} --repair."
        )


def _cells(one: "Reconciliation") -> list[Cell]:
    differences = one.differences
    numbers = [
        len(differences.compared_days),
        differences.missing.height,
        differences.changed.height,
        differences.extra.height,
        differences.pending,
        len(differences.days),
    ]
    verdict: Cell = ("differs", "red")
    if one.is_equal:
        through = f"{one.verified_through:%Y-%m-%d %H:%M:%S}"
        but = f", but for {one.now.without_day:,} rows without a day" if one.now.without_day else ""
        verdict = (f"{'repaired' if one.repair else 'equal'} through {through}{but}", "green")
    return [one.table, *(f"{number:,}" for number in numbers), verdict]
