"""Columns that a contract gained since a table was published, and the parts that lack them. Pure.

A part that lacks a column has NULL in it, which says nothing of the source: the part is loaded
again, and nothing is made of it until then. How that is remembered and done is
`pipeline/gained.py`; how it makes derived parts late is `lateness.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from etl_assets.core.reload_reasons import lacks_of
from etl_assets.core.state import PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of

Lacking = Mapping[date, Collection[str]]
"""By part of a table the columns that it lacks; parts that lack none are left out."""


def is_filled_again(table: LayerTable) -> bool:
    """Whether parts that lack a column can be loaded again at any time.

    An API need not tell of old days again, and versions are kept as they were seen.
    """
    if table.source is None:
        return table.is_derived
    return table.source.COMPARABLE or table.is_of_files


def gained_columns(table: LayerTable, state: TableState | None) -> list[str]:
    """The columns of the contract that it did not have when the table was published last."""
    known = state.published_columns if state else None
    if known is None:
        return []
    # Of a row that the source has `kept_column` is NULL: that says all there is to say.
    return [
        name for name in table.required_columns if name not in known and name != table.kept_column
    ]


def stricter_columns(table: LayerTable, state: TableState) -> list[str]:
    """The columns that the contract requires now, and did not when the table was published last."""
    known = state.published_columns or {}
    return [
        name for name, now in table.required_columns.items() if now and known.get(name) is False
    ]


def lacking_note(table: LayerTable, days: Lacking) -> str:
    """What a person should know of days that lack columns, of a table that is read."""
    columns = sorted({name for names in days.values() for name in names})
    number = count_of(len(days), "day has", "days have")
    span = f" --from {min(days)} --to {max(days)}"
    if not table.has_days:
        number, span = "the table has", ""
    by = "Each etl-assets reconcile --repair loads"
    if table.syncs:
        by = "Each sync loads"
    elif table.is_of_files:
        by = f"The sensor new_files__{table.name} loads"
    return (
        f"{table.path}: {number} no values of {', '.join(columns)} yet, which the contract gained. "
        f"{by} some again, the newest first; or all now: etl-assets backfill {table.path}{span}."
    )


def lacking_by_table(
    tables: Mapping[str, LayerTable],
    states: Iterable[PartitionState],
    rows: Iterable[TableState],
) -> dict[str, Lacking]:
    """The same of every table, by its path; those of which no part lacks anything are left out."""
    by_table = {row.table_name: row for row in rows}
    parts: dict[str, list[date]] = {}
    for state in states:
        if state.row_count:
            parts.setdefault(state.table_name, []).append(state.partition_key)
    found = {
        path: lacking(table, by_table.get(path), parts.get(path, ()))
        for path, table in tables.items()
    }
    return {path: of_table for path, of_table in found.items() if of_table}


def lacking(table: LayerTable, state: TableState | None, parts: Iterable[date]) -> Lacking:
    """What each of the published `parts` lacks: as it is remembered, and what is new since."""
    if state is None or not is_filled_again(table):
        return {}
    gained = gained_columns(table, state)
    told = {day: lacks_of(reason) for day, reason in state.reload_reasons.items()}
    found = {day: {*gained, *told.get(day, ())} for day in parts}
    return {day: names for day, names in found.items() if names}
