"""`etl_quarantine` in the warehouse, written in the transaction that publishes its days."""

from collections.abc import Sequence
from datetime import date

import polars as pl
import sqlalchemy as sa

from etl_assets.core.rows import QUARANTINE_SCHEMA
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import StagedDay
from etl_assets.warehouse.postgres.models import EtlQuarantine
from etl_assets.warehouse.postgres.staging import spooled
from etl_assets.warehouse.postgres.states import has_table
from etl_assets.warehouse.postgres.write_paths import Target, insert

_MODEL = EtlQuarantine.__table__
_QUARANTINE = Target.of(_MODEL, QUARANTINE_SCHEMA)
_TEXTS: sa.ARRAY[str] = sa.ARRAY(sa.Text())
_ASKED_FOR = ("partition_key", "source_position", "payload")


def delete_days(connection: sa.Connection, table: LayerTable, days: Sequence[date]) -> None:
    """Delete what was set aside on the days."""
    connection.execute(
        sa.delete(EtlQuarantine).where(
            _MODEL.c.table_name == table.path, _MODEL.c.partition_key.in_(days)
        )
    )


def clear(connection: sa.Connection, table: LayerTable, positions: Sequence[str]) -> None:
    """Delete what was set aside from these positions of the source, whatever its day."""
    if positions:
        connection.execute(
            sa.delete(EtlQuarantine).where(
                _MODEL.c.table_name == table.path,
                # An array is one parameter, and there may be more positions than parameters.
                _MODEL.c.source_position == sa.any_(sa.literal(list(positions), _TEXTS)),
            )
        )


def add(connection: sa.Connection, table: LayerTable, days: Sequence[StagedDay]) -> None:
    """Add what was set aside of the staged days."""
    for staged in days:
        files = staged.quarantine
        if files.files:
            insert(connection, _QUARANTINE, spooled(files, QUARANTINE_SCHEMA, table), files.rows)


def positions(connection: sa.Connection, table: LayerTable) -> pl.DataFrame:
    """See `Warehouse.quarantined`."""
    schema = {name: QUARANTINE_SCHEMA[name] for name in _ASKED_FOR}
    if not has_table(connection, _QUARANTINE):
        return pl.DataFrame(schema=schema)
    query = sa.select(*(_MODEL.c[name] for name in _ASKED_FOR))
    found = connection.execute(query.where(_MODEL.c.table_name == table.path)).tuples().all()
    return pl.DataFrame(found, schema=schema, orient="row")
