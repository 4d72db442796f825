"""Published rows that give way to staged ones by their key, on whatever day they are (C8).

The unique index of a partitioned table has the partition column too: a version of another moment is
another row to it, so that it keeps a key neither on one day nor unique.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.state import WHOLE_TABLE, PartitionState
from etl_assets.warehouse.base import Staging
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.inserting import filled, refuse_lost
from etl_assets.warehouse.postgres.models import EtlState
from etl_assets.warehouse.postgres.schema import unique_key
from etl_assets.warehouse.postgres.staging import part_column, staging_target
from etl_assets.warehouse.postgres.states import take_rows
from etl_assets.warehouse.postgres.types import day_of, on_days, relation
from etl_assets.warehouse.postgres.write_paths import Conflict, insert_from, keep_newest, names


def merge(connection: sa.Connection, staging: Staging) -> dict[date, int]:
    """Put the staged rows in by key; of two versions the one with the greater cursor stays.

    How many rows were taken from which days, because their newer version is of another moment.
    """
    table, target = staging.table, staging_target(staging)
    refuse_lost(connection, staging)
    keep_newest(connection, target, Conflict(table.key, table.cursor_column))
    moment = sql.Identifier(table.day_column)
    moved = sql.SQL("t.{m} IS DISTINCT FROM s.{m}").format(m=moment)
    taken = _take(connection, staging, moved)
    _leave_out(connection, staging, moved)
    conflict = Conflict(unique_key(table), table.cursor_column)
    columns = filled(staging, staging.days)
    insert_from(connection, relation(table), columns, target.relation, conflict)
    return taken


def claim(connection: sa.Connection, staging: Staging) -> list[PartitionState]:
    """Leave one version of each staged key: of the staged, and of what other days have.

    The staged days are empty by now. Their states, with the rows that are left to publish; those
    of other days are corrected here.
    """
    table, target = staging.table, staging_target(staging)
    days = [staged.state for staged in staging.days]
    repeats = len(days) > 1 and _has_repeats(connection, staging)
    elsewhere = _days_with_staged_keys(connection, staging)
    if not repeats and not elsewhere:
        return days
    refuse_lost(connection, staging)
    if repeats:
        keep_newest(connection, target, Conflict(table.key, table.cursor_column))
    if elsewhere:
        there = on_days(table, elsewhere, "t")
        take_rows(connection, _take(connection, staging, there), days[0])
        _leave_out(connection, staging, there)
    left = _staged_by_day(connection, staging)
    return [
        replace(state, row_count=state.row_count - staged.files.rows + left.get(number, 0))
        for number, (staged, state) in enumerate(zip(staging.days, days, strict=True))
    ]


def delete(connection: sa.Connection, staging: Staging) -> None:
    """Delete the published row of every key in the staging table from the staged days."""
    days = on_days(staging.table, (staged.day for staged in staging.days), "t")
    driver_of(connection).execute(
        sql.SQL("DELETE FROM {target} AS t USING {staging} AS s WHERE {same_row} AND {}").format(
            days, **_parts(staging)
        )
    )


def _take(connection: sa.Connection, staging: Staging, where: sql.Composable) -> dict[date, int]:
    """Delete published rows that a staged version follows, how many by day.

    One without a cursor gives way to any, one with the same cursor to what was read later.
    """
    cursor = staging.table.cursor_column
    newer: sql.Composable = sql.SQL("TRUE")
    if cursor:
        c = sql.Identifier(cursor)
        newer = sql.SQL("(t.{c} IS NULL OR s.{c} >= t.{c})").format(c=c)
    found = driver_of(connection).execute(
        sql.SQL(
            "WITH moved AS (DELETE FROM {target} AS t USING {staging} AS s WHERE {same_row} "
            "AND {where} AND {newer} RETURNING {day} AS day) "
            "SELECT day, count(*) FROM moved GROUP BY day"
        ).format(where=where, newer=newer, day=day_of(staging.table, "t"), **_parts(staging))
    )
    return dict(found.fetchall())


def _leave_out(connection: sa.Connection, staging: Staging, where: sql.Composable) -> None:
    """Drop the staged versions of published rows that are there still: those are newer."""
    driver_of(connection).execute(
        sql.SQL("DELETE FROM {staging} AS s USING {target} AS t WHERE {same_row} AND {}").format(
            where, **_parts(staging)
        )
    )


def _days_with_staged_keys(connection: sa.Connection, staging: Staging) -> Collection[date]:
    """The days that have a staged key; to be asked when the staged days themselves are empty.

    It reads all keys of the table, which locks nothing, and may be done by several processes.
    """
    model = EtlState.__table__
    others = sa.select(model.c.partition_key).where(
        model.c.table_name == staging.table.path,
        model.c.partition_key.not_in([*(staged.day for staged in staging.days), WHOLE_TABLE]),
        model.c.row_count > 0,
    )
    if not connection.scalar(sa.select(others.exists())):
        return ()
    found = driver_of(connection).execute(
        sql.SQL(
            "SELECT DISTINCT {day} FROM {target} AS t JOIN {staging} AS s ON {same_row}"
        ).format(day=day_of(staging.table, "t"), **_parts(staging))
    )
    return [day for (day,) in found]


def _has_repeats(connection: sa.Connection, staging: Staging) -> bool:
    """Whether a key is staged twice: two days may have been read at two moments."""
    found = driver_of(connection).execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} GROUP BY {} HAVING count(*) > 1)").format(
            staging_target(staging).relation, names(staging.table.key)
        )
    )
    return found.fetchone() == (True,)


def _staged_by_day(connection: sa.Connection, staging: Staging) -> Mapping[int, int]:
    part = sql.Identifier(part_column(staging.table))
    found = driver_of(connection).execute(
        sql.SQL("SELECT {part}, count(*) FROM {staging} GROUP BY {part}").format(
            part=part, staging=staging_target(staging).relation
        )
    )
    return dict(found.fetchall())


def _parts(staging: Staging) -> dict[str, sql.Composable]:
    return {
        "target": relation(staging.table),
        "staging": staging_target(staging).relation,
        "same_row": sql.SQL(" AND ").join(
            sql.SQL("s.{k} = t.{k}").format(k=sql.Identifier(name)) for name in staging.table.key
        ),
    }
