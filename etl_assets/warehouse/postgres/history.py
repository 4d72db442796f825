"""`etl_history` and `etl_tombstones` in the warehouse: both only grow."""

from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from etl_assets.core.rows import TOMBSTONE_SCHEMA
from etl_assets.core.state import HistoryEntry
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.postgres.models import EtlHistory, EtlTombstone
from etl_assets.warehouse.postgres.staging import spooled
from etl_assets.warehouse.postgres.states import has_table
from etl_assets.warehouse.postgres.write_paths import Target, insert

_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "kind": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "run_id": pl.String(),
        "payload": pl.String(),
    }
)
_MODEL = EtlHistory.__table__
_HISTORY = Target.of(_MODEL, _SCHEMA)
_TOMBSTONES = Target.of(EtlTombstone.__table__, TOMBSTONE_SCHEMA)


def record(connection: sa.Connection, entries: Sequence[HistoryEntry]) -> None:
    """See `Warehouse.record`."""
    rows = [tuple(getattr(entry, name) for name in _SCHEMA) for entry in entries]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    insert(connection, _HISTORY, [frame], frame.height)


def history(
    connection: sa.Connection, table: LayerTable, kind: str, most: int
) -> list[HistoryEntry]:
    """See `Warehouse.history`."""
    if not has_table(connection, _HISTORY):
        return []
    query = (
        sa.select(*(_MODEL.c[name] for name in _SCHEMA))
        .where(_MODEL.c.table_name == table.path, _MODEL.c.kind == kind)
        .order_by(_MODEL.c.at.desc(), _MODEL.c.id.desc())
        .limit(most)
    )
    return [HistoryEntry(**row) for row in connection.execute(query).mappings()]


def put_tombstones(connection: sa.Connection, table: LayerTable, files: SpoolFiles) -> None:
    """Add the spooled tombstones."""
    insert(connection, _TOMBSTONES, spooled(files, TOMBSTONE_SCHEMA, table), files.rows)
