"""Which rows stay in a table although its source lacks them, and which days are closed. Pure.

What a load, a sync and a reconciliation do about such rows is decided in `pipeline/`.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.errors import DayClosed
from etl_assets.core.frames import DAY
from etl_assets.core.partitions import ONE_DAY, Window
from etl_assets.core.policies import Deletes
from etl_assets.core.scope import Scope
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable


def open_from(table: "LayerTable", now: datetime) -> date | None:
    """The first day that is not closed at `now` (UTC, the source's clock), None if none ever is.

    A day is closed as soon as it began longer than `keep_before` ago: from then on the source may
    prune its first rows. A date is a day of any zone, the first of which begins 14 hours early.
    """
    if table.keep_before is None:
        return None
    since = now - table.keep_before
    if isinstance(table.column(table.day_column).dtype, pl.Date):
        since += timedelta(hours=14)
    return since.date() if since == Window.of(since.date()).start else since.date() + ONE_DAY


def first_open_days(tables: "Iterable[LayerTable]", now: datetime) -> dict[str, date]:
    """The same by path, of the tables that close days."""
    found = ((table.path, open_from(table, now)) for table in tables)
    return {path: first for path, first in found if first is not None}


def is_closed(table: "LayerTable", day: date, now: datetime) -> bool:
    """Whether the day is neither compared nor loaded again unless somebody asks for just that."""
    first = open_from(table, now)
    return first is not None and day < first


def keeps(table: "LayerTable", day: date, now: datetime) -> bool:
    """Whether rows of the day stay that the source no longer has."""
    if table.deletes is not Deletes.KEEP:
        return False
    return table.keep_before is None or is_closed(table, day, now)


def stays(table: "LayerTable", now: datetime, day: str = DAY) -> pl.Expr:
    """The same of a column that has the day of each row."""
    first = open_from(table, now)
    if table.deletes is not Deletes.KEEP or first is None:
        return pl.lit(value=table.deletes is Deletes.KEEP)
    return (pl.col(day) < first).fill_null(value=False)


def marked(table: "LayerTable", rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The rows, which the source was found to lack at `now`; a mark that is there stays."""
    mark = table.kept_column
    if mark is None:
        return rows
    moment = pl.lit(now, dtype=rows.schema[mark])
    return rows.with_columns(pl.coalesce(pl.col(mark), moment).alias(mark))


def open_scope(table: "LayerTable", scope: Scope, now: datetime) -> Scope | None:
    """The days of the scope that are not closed, None where all are."""
    first = open_from(table, now)
    if first is None:
        return scope
    if scope.last is not None and scope.last < first:
        return None
    return Scope(max(scope.first, first), scope.last)


CLOSED_TAG, LOAD_CLOSED = "etl_assets/closed_days", "load"
"""The tag of a run, and its value, by which closed days are loaded again on purpose."""


def closing_rule(table: "LayerTable") -> str:
    """When a day is closed, as a sentence without its stop; of a table with `keep_before`."""
    assert table.keep_before is not None  # noqa: S101 - the caller asked
    days, rest = divmod(table.keep_before, ONE_DAY)
    shown = count_of(days, "day") if not rest else str(table.keep_before)
    return f"days that began more than {shown} ago are closed (keep_before)"


def closed_days(table: "LayerTable", days: Collection[date]) -> DayClosed:
    """The error of days that somebody wants to be loaded again although they are closed."""
    first, last = min(days), max(days)
    told = (
        f"{first} is"
        if len(days) == 1
        else f"{count_of(len(days), 'day')} from {first} to {last} are"
    )
    return DayClosed(
        f"{table.path}: {told} published and not loaded again, because {closing_rule(table)}: the "
        "source may have pruned them.",
        "If it is meant, what the source still has is loaded and the rest stays: etl-assets "
        f"backfill {table.path} --from {first} --to {last} --even-closed; in Dagster's UI the run "
        f"needs the tag {CLOSED_TAG} with the value {LOAD_CLOSED}.",
    )
