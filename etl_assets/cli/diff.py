"""`etl-assets diff`: which rows the code at hand would change.

The comparison is `pipeline/diff/`.
"""

import sys
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

import click

from etl_assets.cli.days import Day
from etl_assets.cli.environment import against as of_production
from etl_assets.cli.environment import env_option, settings_of
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Column,
    Row,
    Table,
    json_option,
    number,
    print_json,
    print_rows,
    tell,
    wants_json,
)
from etl_assets.cli.tables import chosen
from etl_assets.cli.visible import styled, visible_value
from etl_assets.core.partitions import WHOLE
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.core.state import PartitionState
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.diff.found import Difference
    from etl_assets.pipeline.platform import Platform


@click.command()
@click.argument("table")
@click.option(
    "--days",
    default=7,
    show_default=True,
    help="So many of the newest published days that have rows.",
)
@click.option("--from", "first", type=Day(), help="First day (UTC), instead of --days.")
@click.option("--to", "last", type=Day(), help="Last day (UTC), instead of --days.")
@env_option
@click.option(
    "--against",
    type=click.Choice(["prod"]),
    help="Compare what the environment has published with production, and make nothing.",
)
@click.option("--most", default=20, show_default=True, help="So many rows are shown at most.")
@json_option
def diff(
    table: str,
    days: int,
    first: date | None,
    last: date | None,
    env: str | None,
    against: str | None,
    most: int,
) -> None:
    """Make published days of TABLE by the code at hand, and show which rows differ.

    Nothing is published. Of a raw table the published rows are held against the contract: which of
    them it would refuse. Personal values are hidden. It ends with 1 where anything differs.
    """
    from etl_assets.pipeline.diff.tables import by_code, published_sides
    from etl_assets.pipeline.planned.migration import migration_of

    platform = open_platform(settings_of(env))
    migration_of(platform.warehouse)  # what is too old to be planned on cannot be compared either
    (found,) = chosen(catalog_of(platform), [table])
    production = of_production(platform, against)
    side = platform.warehouse if production else platform.warehouse.seen
    who = f" by the environment {platform.settings.environment}" if production else ""
    states = side.state(found)
    wanted = _days(states, found, days, first, last, who)
    with platform.spool(uuid.uuid4().hex, "diff") as folder:
        if production is not None:
            told = published_sides(
                found, production, platform.warehouse, wanted, folder / "diff", most
            )
        else:
            told = by_code(platform, found, wanted, folder / "diff", most)
    if wants_json():
        print_json(told.as_dict())
    else:
        _print(told, platform, is_compared=production is not None)
        if not told.differs:
            tell(f"  {_nothing(told, _newest_with_rows(states, days))}")
    sys.exit(1 if told.differs else 0)


def _days(
    states: "Sequence[PartitionState]",
    table: "LayerTable",
    number: int,
    first: date | None,
    last: date | None,
    who: str,
) -> list[date]:
    """The published parts that are compared; raises click's usage error where there are none."""
    published = sorted(state.partition_key for state in states)
    if not table.has_days:
        found = published
    elif first or last:
        found = [
            day for day in published if (not first or day >= first) and (not last or day <= last)
        ]
    else:
        # Of a table of few busy days the newest may all be empty, and empty days hide a change.
        found = _newest_with_rows(states, number) or (published[-number:] if number > 0 else [])
    if not found:
        span = "of these days " if first or last else ""
        raise click.UsageError(
            f"Nothing {span}is published of {table.path}{who}, so there is nothing to compare "
            f"with. Load it first: etl-assets backfill {table.path}."
        )
    return found


def _newest_with_rows(states: "Sequence[PartitionState]", number: int) -> list[date]:
    days = sorted(state.partition_key for state in states if state.row_count)
    return days[-number:] if number > 0 else []


def _nothing(found: "Difference", with_rows: "Sequence[date]") -> str:
    """That nothing differs, and whether that is so only because there is nothing to compare."""
    if found.rows_before or found.rows_after or not found.days:
        return "Nothing differs."
    if not with_rows:
        return "Nothing differs: no published day has rows."
    return (
        "Nothing differs: these days have no rows. Name others: etl-assets diff "
        f"{found.table} --from {with_rows[0]} --to {with_rows[-1]}."
    )


def _print(found: "Difference", platform: "Platform", *, is_compared: bool) -> None:
    is_raw = platform.catalog[found.table].source is not None
    what = "made by the code at hand beside what is published"
    if is_compared:
        what = f"environment {platform.settings.environment} beside production"
    elif is_raw:
        what = "published rows held against the contract at hand"
    span = ""
    if found.days:
        days = f"{found.days[0]} to {found.days[-1]}" if len(found.days) > 1 else found.days[0]
        span = f", {count_of(len(found.days), 'day')} ({days})"
    tell(f"{styled(found.table, bold=True)}: {what}{span}.")
    for day, why in found.failed.items():
        tell(f"  {styled('failed', fg='red')}{_on(day)}: {why}")
    for day, names in found.blocked.items():
        tell(f"  {styled('refused', fg='red')}{_on(day)} by {', '.join(names)}.")
    for rule, rows in found.refused.most_common():
        tell(f"  {count_of(rows, 'row')} set aside by {rule}.")
    if found.new_columns:
        tell(f"  New columns: {', '.join(found.new_columns)}.")
    if found.gone_columns:
        tell(f"  Columns that the contract does not have: {', '.join(found.gone_columns)}.")
    if is_raw and not is_compared:
        tell(f"  {found.rows_after:,} of {count_of(found.rows_before, 'row')} keep the contract.")
    else:
        tell(
            f"  {count_of(found.rows_before, 'row')} before, {found.rows_after:,} after: "
            f"{found.added:,} "
            f"added, {found.removed:,} removed, {found.changed:,} changed."
        )
    _print_columns(found)
    for row in found.rows:
        tell(f"  {row.kind} {f'{row.day} ' if row.day else ''}{visible_value(row.key)}")
        for name, (before, after) in row.columns.items() if row.kind == "changed" else ():
            tell(f"    {name}: {_text(before)} -> {_text(after)}")
    hidden = found.added + found.removed + found.changed - len(found.rows)
    if hidden > 0:
        tell(f"  {hidden:,} more; --most shows more of them.")


def _print_columns(found: "Difference") -> None:
    ratios = found.null_ratios()
    names = sorted({*found.by_column, *ratios}, key=lambda n: (-found.by_column[n], n))
    if not names:
        return
    columns = (
        Column("column"),
        number("rows_changed"),
        Column("null_before", text=_ratio("null_before"), right=True),
        Column("null_after", text=_ratio("null_after"), right=True),
    )
    rows = []
    for name in names:
        before, after = ratios.get(name, (None, None))
        changed = found.by_column[name]
        row = {"column": name, "rows_changed": changed, "null_before": before, "null_after": after}
        rows.append(row)
    print_rows(Table("columns", "Columns that differ", columns, rows))


def _ratio(name: str) -> Callable[[Row], str]:
    """The cell of a share of nulls; one that did not change is a sign."""
    return lambda row: "=" if row[name] is None else f"{row[name]:.2%}"


def _on(day: date | None) -> str:
    return f" on {day}" if day and day != WHOLE else ""


def _text(value: object) -> str:
    text = "NULL" if value is None else str(value)
    return visible_value(text if len(text) <= 80 else f"{text[:79]}…")
