"""How staged rows become published ones: the statements of each mode, text only.

Where a row's other version is, on whatever day, is looked up first by key; what changes rows then
has constant bounds, and prunes by them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Mode, Staging
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, Datasets
from etl_assets.warehouse.bigquery.scripts import (
    OWN_DAY,
    between,
    block,
    count_statements,
    gone_name,
    has_staged_rows,
    insert,
    key_columns,
    on_any_day,
    on_days,
    only_if,
    same_key,
    staged_rows,
    system,
)
from etl_assets.warehouse.bigquery.types import quote


@dataclass(frozen=True)
class Placement:
    """What changes rows once the staged days' states are written, and corrects these.

    `statements` is how many statements always change the published table.
    """

    steps: Sequence[str]
    statements: int


def placement(datasets: Datasets, staging: Staging) -> Placement:
    """The statements of the staging's mode."""
    return _MODES[staging.mode](datasets, staging)


def _replace(datasets: Datasets, staging: Staging) -> Placement:
    delete = _delete_days(datasets, staging)
    if not has_staged_rows(staging):
        return Placement([delete], 1)
    if staging.table.syncs:
        return Placement([delete, _insert_synced(datasets, staging)], 2)
    return Placement([delete, insert(datasets, staging, staging.table)], 2)


def _insert_synced(datasets: Datasets, staging: Staging) -> str:
    """A key is on one day only: its newest version stays, here or on another day (C8).

    `etl_elsewhere` are the other days that have staged keys, and how many rows leave each. Nobody
    looks for them where no other day is published.
    """
    table, state = staging.table, system(datasets, "etl_state")
    recount = _count_staged_days(datasets, staging)
    here = [insert(datasets, staging, table)]
    unless_newer = _unless_published(datasets, table)
    if len({staged.state.as_of for staged in staging.days}) > 1:  # several snapshots of the source
        here = [insert(datasets, staging, table, _newest_of_each_key(table)), recount]
        unless_newer += _newest_of_each_key(table)
    others = (
        f"EXISTS (SELECT 1 FROM {state} AS n WHERE n.table_name = @table AND n.row_count > 0 "  # noqa: S608
        f"AND n.partition_key <> {OWN_DAY} "
        "AND n.partition_key NOT IN (SELECT new.partition_key FROM UNNEST(@states) AS new))"
    )
    elsewhere = [
        _delete_older(datasets, staging),
        count_statements(datasets, 1),
        f"UPDATE {state} AS n SET row_count = n.row_count - o.n, "  # noqa: S608 - quoted
        "load_id = @load_id, updated_at = @at FROM UNNEST(etl_elsewhere) AS o "
        "WHERE n.table_name = @table AND n.partition_key = o.day AND o.n > 0",
        insert(datasets, staging, table, unless_newer),
        recount,
    ]
    look = [
        "DECLARE etl_elsewhere ARRAY<STRUCT<day DATE, n INT64>> DEFAULT "
        + _other_days(datasets, staging),
        "DECLARE etl_first DATE DEFAULT (SELECT MIN(o.day) FROM UNNEST(etl_elsewhere) AS o)",
        "DECLARE etl_last DATE DEFAULT (SELECT MAX(o.day) FROM UNNEST(etl_elsewhere) AS o)",
        only_if("ARRAY_LENGTH(etl_elsewhere) > 0", elsewhere, here),
    ]
    return only_if(others, [block(look)], here)


def _other_days(datasets: Datasets, staging: Staging) -> str:
    table, cursor = staging.table, quote(staging.table.cursor_column or "")
    keys = ", ".join(quote(name) for name in table.key)
    newest = (
        f"SELECT {keys}, MAX({cursor}) AS {cursor} "  # noqa: S608 - quoted
        f"FROM {staged_rows(datasets, staging)} GROUP BY {keys}"
    )
    found = (
        f"SELECT DATE(t.{quote(table.day_column)}) AS day, "  # noqa: S608 - quoted
        f"COUNTIF(t.{cursor} IS NULL OR s.{cursor} >= t.{cursor}) AS n "
        f"FROM {datasets.published(table)} AS t JOIN ({newest}) AS s "
        f"ON {same_key(table)} WHERE {on_any_day(table, 't')} GROUP BY 1"
    )
    return f"ARRAY(SELECT AS STRUCT x.day, x.n FROM ({found}) AS x)"  # noqa: S608 - quoted


def _merge(datasets: Datasets, staging: Staging) -> Placement:
    """By key; of two versions of a row the one with the greater cursor stays."""
    table = staging.table
    days = [staged.day for staged in staging.days]
    if not has_staged_rows(staging):
        return Placement([_count_staged_days(datasets, staging)], 0)
    found, staged = datasets.published(table), staged_rows(datasets, staging)
    first, last = (
        f"(SELECT {extreme}(DATE(t.{quote(table.day_column)})) FROM {found} AS t "  # noqa: S608
        f"JOIN {staged} AS s ON {same_key(table)} WHERE {on_any_day(table, 't')})"
        for extreme in ("MIN", "MAX")
    )
    there, kept = _unless_published(datasets, table), _newest_of_each_key(table)
    steps = [
        f"DECLARE etl_first DATE DEFAULT LEAST(DATE '{min(days)}', "
        f"IFNULL({first}, DATE '{min(days)}'))",
        f"DECLARE etl_last DATE DEFAULT GREATEST(DATE '{max(days)}', "
        f"IFNULL({last}, DATE '{max(days)}'))",
        _delete_older(datasets, staging),
        insert(datasets, staging, table, there + kept),
        _count_days(datasets, table),
    ]
    return Placement([block(steps)], 2)


def _change(datasets: Datasets, staging: Staging) -> Placement:
    """Each staged row takes the place of its key's, and what is gone leaves."""
    table, keys = staging.table, ", ".join(quote(name) for name in staging.table.key)
    steps, leaving = [], []
    if has_staged_rows(staging):
        leaving.append(f"SELECT {keys} FROM {staged_rows(datasets, staging)}")  # noqa: S608
        steps.append(insert(datasets, staging, table))
    if staging.changes is not None and staging.changes.gone.rows:
        gone = datasets.name(STAGING_DATASET, gone_name(staging.name))
        leaving.append(f"SELECT {keys} FROM {gone}")  # noqa: S608 - quoted
    if leaving:
        days = on_days(table, [staged.day for staged in staging.days], "t.")
        steps.insert(
            0,
            f"DELETE FROM {datasets.published(table)} AS t WHERE {days} AND EXISTS "  # noqa: S608
            f"(SELECT 1 FROM ({' UNION ALL '.join(leaving)}) AS s WHERE {same_key(table)})",
        )
    return Placement(steps, len(steps))


def _append(_datasets: Datasets, _staging: Staging) -> Placement:
    """Appended rows are there already."""
    return Placement([], 0)


_MODES: Mapping[Mode, Callable[[Datasets, Staging], Placement]] = {
    Mode.REPLACE: _replace,
    Mode.MERGE: _merge,
    Mode.APPEND: _append,
    Mode.CHANGES: _change,
}


def _delete_days(datasets: Datasets, staging: Staging) -> str:
    days = on_days(staging.table, [staged.day for staged in staging.days])
    return f"DELETE FROM {datasets.published(staging.table)} WHERE {days}"  # noqa: S608 - quoted


def _delete_older(datasets: Datasets, staging: Staging) -> str:
    """Delete what has the key of a staged row and no newer version, within the bounds."""
    table, newest = staging.table, ""
    if table.cursor_column:  # a published row without a cursor gives way to any version
        cursor = quote(table.cursor_column)
        newest = f" AND (t.{cursor} IS NULL OR s.{cursor} >= t.{cursor})"
    return (
        f"DELETE FROM {datasets.published(table)} AS t WHERE {between(table)} "  # noqa: S608
        f"AND EXISTS (SELECT 1 FROM {staged_rows(datasets, staging)} AS s "
        f"WHERE {same_key(table)}{newest})"
    )


def _unless_published(datasets: Datasets, table: LayerTable) -> str:
    """The condition that a staged row's key is not there within the bounds: a newer one is."""
    return (
        f" WHERE NOT EXISTS (SELECT 1 FROM {datasets.published(table)} AS t "  # noqa: S608
        f"WHERE {between(table)} AND {same_key(table)})"
    )


def _newest_of_each_key(table: LayerTable) -> str:
    """A key may be staged on two days: its row was read before and after it moved."""
    order = f"s.{quote(table.day_column)} DESC"
    if table.cursor_column:
        order = f"s.{quote(table.cursor_column)} DESC NULLS LAST, {order}"
    key = key_columns(table, "s")
    return f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order}) = 1"


def _count_staged_days(datasets: Datasets, staging: Staging) -> str:
    table = staging.table
    days = on_days(table, [staged.day for staged in staging.days], "t.")
    return (
        f"UPDATE {system(datasets, 'etl_state')} AS n SET row_count = "  # noqa: S608 - quoted
        f"({_rows_of_day(datasets, table, days)}) WHERE n.table_name = @table "
        "AND n.partition_key IN (SELECT new.partition_key FROM UNNEST(@states) AS new)"
    )


def _count_days(datasets: Datasets, table: LayerTable) -> str:
    """Neither what was staged is what is published after a merge, nor where it was."""
    rows = _rows_of_day(datasets, table, between(table))
    return (
        f"UPDATE {system(datasets, 'etl_state')} AS n SET row_count = ({rows}), "  # noqa: S608
        f"load_id = IF(n.row_count = ({rows}), n.load_id, @load_id) "
        "WHERE n.table_name = @table AND n.partition_key BETWEEN etl_first AND etl_last"
    )


def _rows_of_day(datasets: Datasets, table: LayerTable, condition: str) -> str:
    return (
        f"SELECT COUNT(*) FROM {datasets.published(table)} AS t "  # noqa: S608 - quoted
        f"WHERE {condition} AND DATE(t.{quote(table.day_column)}) = n.partition_key"
    )
