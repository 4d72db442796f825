"""`etl_state` in the warehouse: read, put in by table and day, counted anew.

It is written inside the transaction that publishes the rows (`publication.py`).
"""

from collections.abc import Sequence
from datetime import date

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.partitions import Window
from etl_assets.core.state import PartitionState
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
    }
)
_STATE = Target.of(EtlState.__table__, _STATE_COLUMNS)


def states(connection: sa.Connection, table: LayerTable | None) -> list[PartitionState]:
    """The rows of `etl_state`, by table and day; of one table if given; none without the table."""
    relation_name = f"{_STATE.schema}.{_STATE.name}"
    if connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": relation_name}) is None:
        return []
    model = EtlState.__table__
    query = sa.select(*(model.c[name] for name in _STATE_COLUMNS))
    if table is not None:
        query = query.where(model.c.table_name == table.path)
    query = query.order_by(model.c.table_name, model.c.partition_key)
    return [PartitionState(**row) for row in connection.execute(query).mappings()]


def put_states(connection: sa.Connection, put: Sequence[PartitionState]) -> None:
    """Put rows of `etl_state` in, each in the place of its day's."""
    rows = [tuple(getattr(state, name) for name in _STATE_COLUMNS) for state in put]
    frame = pl.DataFrame(rows, schema=_STATE_SCHEMA, orient="row")
    conflict = Conflict(["table_name", "partition_key"])
    upsert(connection, _STATE, [frame], frame.height, conflict)


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
