"""What happens inside the transaction that publishes days, and in what order.

Connections and errors are `engine.py`, turns `locks.py`, what is staged `staging.py`; how rows make
room for others by their key is `by_key.py`.
"""

from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.partitions import windows_of
from etl_assets.core.state import appended
from etl_assets.warehouse.base import (
    Changes,
    Mode,
    StagedDay,
    Staging,
    lost_turn,
    newer_is_published,
)
from etl_assets.warehouse.postgres import by_key, quarantine
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.history import put_tombstones, record
from etl_assets.warehouse.postgres.inserting import StagingLost, insert_days, refuse_lost
from etl_assets.warehouse.postgres.locks import lock_days, lock_table
from etl_assets.warehouse.postgres.models import EtlAppend, EtlState
from etl_assets.warehouse.postgres.staging import is_there
from etl_assets.warehouse.postgres.states import (
    count_rows,
    give_token,
    has_turn,
    put_states,
    states,
    take_rows,
)
from etl_assets.warehouse.postgres.types import relation, within
from etl_assets.warehouse.postgres.versions import keep_versions
from etl_assets.warehouse.postgres.write_paths import Target, insert

_APPENDS = Target.of(EtlAppend.__table__, [c.name for c in EtlAppend.__table__.columns])


def publish(connection: sa.Connection, staging: Staging, contents: Sequence[str]) -> None:
    """Publish the staged days inside the caller's transaction.

    `contents` are the digests of the days' rows, for Mode.APPEND alone. Raises StalePublication,
    LostTurn, and StagingLost where the days must be staged again first.
    """
    table, changes = staging.table, staging.changes
    if staging.days and not is_there(connection, staging):
        raise StagingLost.of(table)
    if table.syncs or table.versions or staging.mode in {Mode.MERGE, Mode.CHANGES}:
        lock_table(connection, table.path)
    else:
        lock_days(connection, table, [staged.day for staged in staging.days])
    if changes is not None:  # its token says more than the moments of its days
        lost = lost_turn(table.path)
        if not has_turn(connection, changes.position, changes.token, lost):
            return
    elif staging.mode is not Mode.APPEND:
        _refuse_stale(connection, staging)
    if table.versions is not None and staging.days:  # before any staged row is left out
        keep_versions(connection, table.versions, staging)
    if changes is not None:
        _change(connection, staging, changes)
    elif staging.mode is Mode.APPEND:
        _append(connection, staging, contents)
    elif staging.mode is Mode.MERGE:
        _merge(connection, staging)
    else:
        _replace(connection, staging)
    if table.syncs and changes is None:
        give_token(connection, staging.days[0].state)


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


def _replace(connection: sa.Connection, staging: Staging) -> None:
    table = staging.table
    days = [staged.day for staged in staging.days]
    for window in windows_of(days):
        driver_of(connection).execute(
            sql.SQL("DELETE FROM {} WHERE {}").format(relation(table), within(table, window))
        )
    put = [staged.state for staged in staging.days]
    rows = sum(staged.files.rows for staged in staging.days)
    if table.syncs:
        claimed = by_key.claim(connection, staging)
        rows -= sum(state.row_count for state in put) - sum(state.row_count for state in claimed)
        put = claimed
    insert_days(connection, staging, staging.days, rows)
    quarantine.delete_days(connection, table, days)
    quarantine.add(connection, table, staging.days)
    put_states(connection, put)


def _merge(connection: sa.Connection, staging: Staging) -> None:
    table = staging.table
    days = [staged.day for staged in staging.days]
    taken = by_key.merge(connection, staging)
    quarantine.delete_days(connection, table, days)
    quarantine.add(connection, table, staging.days)
    put_states(connection, [staged.state for staged in staging.days])
    others = {day: rows for day, rows in taken.items() if day not in days}
    take_rows(connection, others, staging.days[0].state)
    for day in sorted(days):  # what was staged is not what is there now
        count_rows(connection, table, day)


def _change(connection: sa.Connection, staging: Staging, changes: Changes) -> None:
    table, days = staging.table, staging.days
    if days:
        refuse_lost(connection, staging)
        by_key.delete(connection, staging)
        insert_days(connection, staging, days, sum(staged.files.rows for staged in days))
    quarantine.clear(connection, table, changes.cleared)
    quarantine.add(connection, table, days)
    put_tombstones(connection, table, changes.tombstones)
    record(connection, changes.history)
    put_states(connection, [*(staged.state for staged in days), changes.position])


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
        insert_days(connection, staging, fresh, sum(staged.files.rows for staged in fresh))
        quarantine.add(connection, table, fresh)
        schema = dict.fromkeys(_APPENDS.types)
        lines = pl.DataFrame(ledger, schema=schema, orient="row")
        insert(connection, _APPENDS, [lines], lines.height)
        put_states(connection, [before[day] for day in dict.fromkeys(s.day for s in fresh)])
