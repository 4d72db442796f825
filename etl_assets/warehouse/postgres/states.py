"""`etl_state` in the warehouse: read, put in by table and day, corrected where rows moved.

It is written inside the transaction that publishes the rows (`publication.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.errors import LostTurn
from etl_assets.core.partitions import Window
from etl_assets.core.state import WHOLE_TABLE, PartitionState, bare
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.models import EtlState
from etl_assets.warehouse.postgres.types import relation, within
from etl_assets.warehouse.postgres.write_paths import Conflict, Target, upsert

_STATE_COLUMNS = tuple(PartitionState.__dataclass_fields__)
_MOMENT = pl.Datetime("us", "UTC")
_STATE_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "partition_key": pl.Date(),
        "high_watermark": _MOMENT,
        "watermark_key": pl.String(),
        "row_count": pl.Int64(),
        "source_count": pl.Int64(),
        "quarantined_count": pl.Int64(),
        "checks_passed": pl.Int32(),
        "checks_failed": pl.Int32(),
        "as_of": _MOMENT,
        "load_id": pl.String(),
        "run_id": pl.String(),
        "seconds": pl.Float64(),
        "verified_through": _MOMENT,
        "updated_at": _MOMENT,
        "made_of": pl.String(),
    }
)
_MODEL = EtlState.__table__
_STATE = Target.of(_MODEL, _STATE_COLUMNS)
_NEWEST_COLUMN = "made_of"


def states(connection: sa.Connection, table: LayerTable | None) -> list[PartitionState]:
    """The states of published days, by table and day; of one table if given; none without it."""
    return _select(
        connection,
        _MODEL.c.partition_key != WHOLE_TABLE,
        *([_MODEL.c.table_name == table.path] if table is not None else []),
    )


def own_row(connection: sa.Connection, path: str) -> PartitionState | None:
    """The row of the table as a whole, None if there is none."""
    found = _select(connection, _MODEL.c.table_name == path, _MODEL.c.partition_key == WHOLE_TABLE)
    return found[0] if found else None


def _select(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[PartitionState]:
    if not has_table(connection, _STATE):
        return []
    columns: list[sa.ColumnElement[Any]] = [
        _MODEL.c[name] for name in _STATE_COLUMNS if name != _NEWEST_COLUMN
    ]
    # Looking must work, and change nothing, where the newest migration has yet to come.
    row = sa.func.to_jsonb(sa.literal_column(_STATE.name))
    columns.append(row.op("->>")(_NEWEST_COLUMN).label(_NEWEST_COLUMN))
    query = sa.select(*columns).where(*where)
    query = query.order_by(_MODEL.c.table_name, _MODEL.c.partition_key)
    return [PartitionState(**row) for row in connection.execute(query).mappings()]


def has_table(connection: sa.Connection, target: Target) -> bool:
    """Whether a table of the platform's own is there."""
    name = target.relation.as_string()
    return connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": name}) is not None


def has_turn(
    connection: sa.Connection, position: PartitionState, token: str | None, lost: LostTurn
) -> bool:
    """Whether the table's own row still has the token, so that `position` may take its place.

    False where it is `position` already: the answer to a COMMIT was lost. Raises `lost` where it
    is anything else. The caller holds the table.
    """
    found = connection.scalar(
        sa.select(_MODEL.c.load_id).where(
            _MODEL.c.table_name == position.table_name, _MODEL.c.partition_key == WHOLE_TABLE
        )
    )
    if found == token:
        return True
    if found == position.load_id:
        return False
    raise lost


def put_states(connection: sa.Connection, put: Sequence[PartitionState]) -> None:
    """Put rows of `etl_state` in, each in the place of its day's."""
    rows = [tuple(getattr(state, name) for name in _STATE_COLUMNS) for state in put]
    frame = pl.DataFrame(rows, schema=_STATE_SCHEMA, orient="row")
    conflict = Conflict(["table_name", "partition_key"])
    upsert(connection, _STATE, [frame], frame.height, conflict)


def give_token(connection: sa.Connection, state: PartitionState) -> None:
    """Make the state's `load_id` the token of its table; one without a position gets a row."""
    done = connection.execute(
        sa.update(EtlState)
        .where(_MODEL.c.table_name == state.table_name, _MODEL.c.partition_key == WHOLE_TABLE)
        .values(load_id=state.load_id)
    )
    if not done.rowcount:
        put_states(connection, [bare(state, WHOLE_TABLE)])


def take_rows(connection: sa.Connection, taken: Mapping[date, int], by: PartitionState) -> None:
    """Make the states of days say that so many of their rows went, by the load of another day."""
    for day, rows in sorted(taken.items()):
        connection.execute(
            sa.update(EtlState)
            .where(_MODEL.c.table_name == by.table_name, _MODEL.c.partition_key == day)
            .values(
                row_count=_MODEL.c.row_count - rows, load_id=by.load_id, updated_at=by.updated_at
            )
        )


def count_rows(connection: sa.Connection, table: LayerTable, day: date) -> None:
    """Make the day's state say how many rows are published now."""
    driver_of(connection).execute(
        sql.SQL(
            "UPDATE {} SET row_count = (SELECT count(*) FROM {} WHERE {}) "
            "WHERE table_name = {} AND partition_key = {}"
        ).format(
            _STATE.relation,
            relation(table),
            within(table, Window.of(day)),
            sql.Literal(table.path),
            sql.Literal(day),
        )
    )


def verify(
    connection: sa.Connection, table: LayerTable, days: Collection[date], moment: datetime
) -> None:
    """See `Warehouse.verify`."""
    connection.execute(
        sa.update(EtlState)
        .where(_MODEL.c.table_name == table.path, _MODEL.c.partition_key.in_(days))
        # greatest() passes over NULL
        .values(verified_through=sa.func.greatest(_MODEL.c.verified_through, moment))
    )
