"""What happens inside the transaction that publishes days, and the state that it writes.

Connections and errors are `engine.py`, turns `locks.py`, what is staged `staging.py`.
"""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.errors import WarehouseUnavailable
from etl_assets.core.partitions import windows_of
from etl_assets.core.rows import QUARANTINE_SCHEMA
from etl_assets.core.state import appended
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Mode, StagedDay, Staging, newer_is_published
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.locks import lock_days, lock_table
from etl_assets.warehouse.postgres.models import EtlAppend, EtlQuarantine, EtlState
from etl_assets.warehouse.postgres.schema import unique_key
from etl_assets.warehouse.postgres.staging import is_there, part_column, spooled, staging_target
from etl_assets.warehouse.postgres.states import count_rows, put_states, states
from etl_assets.warehouse.postgres.types import relation, within
from etl_assets.warehouse.postgres.write_paths import (
    Conflict,
    Target,
    insert,
    insert_from,
    keep_newest,
)

_QUARANTINE = Target.of(EtlQuarantine.__table__, QUARANTINE_SCHEMA)
_APPENDS = Target.of(EtlAppend.__table__, [c.name for c in EtlAppend.__table__.columns])


class StagingLost(WarehouseUnavailable):
    """The staging table does not hold what was staged: a server that crashed has emptied it."""

    @classmethod
    def of(cls, table: LayerTable) -> "StagingLost":
        """The error, once it has happened twice."""
        return cls(
            f"What was staged for {table.path} is gone: the warehouse's server crashed meanwhile.",
            "Run it again; nothing was published.",
        )


def publish(connection: sa.Connection, staging: Staging, contents: Sequence[str]) -> None:
    """Publish the staged days inside the caller's transaction.

    `contents` are the digests of the days' rows, for Mode.APPEND alone. Raises StalePublication,
    and StagingLost where the days must be staged again first.
    """
    table, days = staging.table, [staged.day for staged in staging.days]
    if not is_there(connection, staging):
        raise StagingLost.of(table)
    if staging.mode is Mode.MERGE:
        lock_table(connection, table)
    else:
        lock_days(connection, table, days)
    if staging.mode is Mode.APPEND:
        _append(connection, staging, contents)
        return
    _refuse_stale(connection, staging)
    touched: Collection[date] = ()
    if staging.mode is Mode.REPLACE:
        _replace_rows(connection, staging)
    else:
        touched = {*days, *_merge_rows(connection, staging)}
    _delete_quarantine(connection, table, days)
    _insert_quarantine(connection, table, staging.days)
    put_states(connection, [staged.state for staged in staging.days])
    for day in sorted(touched):  # neither what was staged is what is there now, nor where it was
        count_rows(connection, table, day)


def _refuse_stale(connection: sa.Connection, staging: Staging) -> None:
    days = {staged.day: staged.state.as_of for staged in staging.days}
    model = EtlState.__table__
    published = connection.execute(
        sa.select(model.c.partition_key, model.c.as_of)
        .where(model.c.table_name == staging.table.path, model.c.partition_key.in_(days))
        .order_by(model.c.partition_key)
    )
    stale = [day for day, as_of in published if as_of > days[day]]
    if stale:
        raise newer_is_published(staging.table, stale)


def _replace_rows(connection: sa.Connection, staging: Staging) -> None:
    for window in windows_of(staged.day for staged in staging.days):
        driver_of(connection).execute(
            sql.SQL("DELETE FROM {} WHERE {}").format(
                relation(staging.table), within(staging.table, window)
            )
        )
    _insert(connection, staging, staging.days)


def _merge_rows(connection: sa.Connection, staging: Staging) -> set[date]:
    """By key; of two versions of a row the one with the greater cursor stays.

    The days that rows were taken from, because their newer version is of another day.
    """
    table, target = staging.table, staging_target(staging)
    driver = driver_of(connection)
    counted = driver.execute(sql.SQL("SELECT count(*) FROM {}").format(target.relation))
    (rows,) = counted.fetchone() or (0,)
    _refuse_lost(table, staging.days, rows)
    keep_newest(connection, target, Conflict(table.key, table.cursor_column))
    parts = {
        "target": relation(table),
        "staging": target.relation,
        "moment": sql.Identifier(table.partition_column),
        "same_row": sql.SQL(" AND ").join(
            sql.SQL("s.{k} = t.{k}").format(k=sql.Identifier(name)) for name in table.key
        ),
        "newest": sql.SQL("TRUE"),
    }
    if table.cursor_column:  # a published row without a cursor gives way to any version
        parts["newest"] = sql.SQL("(t.{c} IS NULL OR s.{c} >= t.{c})").format(
            c=sql.Identifier(table.cursor_column)
        )
    # The unique index has the moment too: a version of another one is another row to it.
    moved = driver.execute(
        sql.SQL(
            "WITH moved AS (DELETE FROM {target} AS t USING {staging} AS s WHERE {same_row} "
            "AND t.{moment} IS DISTINCT FROM s.{moment} AND {newest} RETURNING t.{moment}) "
            "SELECT DISTINCT CAST({moment} AS date) FROM moved"
        ).format(**parts)
    ).fetchall()
    driver.execute(  # what is still there under another moment is newer
        sql.SQL(
            "DELETE FROM {staging} AS s USING {target} AS t WHERE {same_row} "
            "AND t.{moment} IS DISTINCT FROM s.{moment}"
        ).format(**parts)
    )
    conflict = Conflict(unique_key(table), table.cursor_column)
    insert_from(
        connection, relation(table), _filled(staging, staging.days), target.relation, conflict
    )
    return {day for (day,) in moved}


def _append(connection: sa.Connection, staging: Staging, contents: Sequence[str]) -> None:
    """Add the rows of those days whose very rows were not added before."""
    table, model = staging.table, EtlAppend.__table__
    before = {state.partition_key: state for state in states(connection, table)}
    known = set(
        connection.execute(
            sa.select(model.c.partition_key, model.c.content).where(
                model.c.table_name == table.path, model.c.content.in_(contents)
            )
        ).tuples()
    )
    fresh: list[StagedDay] = []
    ledger: list[tuple[object, ...]] = []
    for staged, content in zip(staging.days, contents, strict=True):
        if (staged.day, content) in known:
            continue
        known.add((staged.day, content))
        fresh.append(staged)
        run_id, moment = staged.state.run_id, staged.state.updated_at
        ledger.append((table.path, staged.day, content, staged.files.rows, run_id, moment))
        before[staged.day] = appended(before.get(staged.day), staged.state)
    if fresh:
        _insert(connection, staging, fresh)
        _insert_quarantine(connection, table, fresh)
        schema = dict.fromkeys(_APPENDS.types)
        lines = pl.DataFrame(ledger, schema=schema, orient="row")
        insert(connection, _APPENDS, [lines], lines.height)
        put_states(connection, [before[day] for day in dict.fromkeys(s.day for s in fresh)])


def _insert(connection: sa.Connection, staging: Staging, days: Sequence[StagedDay]) -> None:
    source: sql.Composable = staging_target(staging).relation
    if len(days) < len(staging.days):
        source = sql.SQL("{} WHERE {} = ANY({})").format(
            source,
            sql.Identifier(part_column(staging.table)),
            sql.Literal([number for number, day in enumerate(staging.days) if day in days]),
        )
    rows = insert_from(connection, relation(staging.table), _filled(staging, days), source)
    _refuse_lost(staging.table, days, rows)


def _filled(staging: Staging, days: Sequence[StagedDay]) -> dict[str, sql.Composable]:
    """The published table's columns, and what of a staged row or of the run fills each."""
    columns: dict[str, sql.Composable] = {
        column.name: sql.Identifier(column.name) for column in staging.table.columns
    }
    audit: dict[str, object] = {
        "_ingested_at": max(staged.state.updated_at for staged in days),
        "_run_id": staging.days[0].state.run_id,
        "_schema_version": schema_version(staging.table),
    }
    columns |= {name: sql.Literal(value) for name, value in audit.items()}
    columns["_source"] = _source(staging)
    return columns


def _source(staging: Staging) -> sql.Composable:
    sources = list(dict.fromkeys(staged.source for staged in staging.days))
    if len(sources) == 1:
        return sql.Literal(sources[0])
    numbers = [sources.index(staged.source) + 1 for staged in staging.days]
    return sql.SQL("({}::text[])[({}::integer[])[{} + 1]]").format(
        sql.Literal(sources),
        sql.Literal(numbers),
        sql.Identifier(part_column(staging.table)),
    )


def _refuse_lost(table: LayerTable, days: Sequence[StagedDay], rows: int) -> None:
    if rows != sum(staged.files.rows for staged in days):
        raise StagingLost.of(table)


def _delete_quarantine(connection: sa.Connection, table: LayerTable, days: Sequence[date]) -> None:
    model = EtlQuarantine.__table__
    connection.execute(
        sa.delete(EtlQuarantine).where(
            model.c.table_name == table.path, model.c.partition_key.in_(days)
        )
    )


def _insert_quarantine(
    connection: sa.Connection, table: LayerTable, days: Sequence[StagedDay]
) -> None:
    for staged in days:
        files = staged.quarantine
        if files.files:
            frames = spooled(files, QUARANTINE_SCHEMA, table)
            insert(connection, _QUARANTINE, frames, files.rows)
