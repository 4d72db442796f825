"""Staged rows into a published table: which of them, with what in the audit columns.

What makes room for them is `publication.py` and `by_key.py`.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.errors import WarehouseUnavailable
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import StagedDay, Staging
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.staging import GONE, part_column, rows_of, staging_target
from etl_assets.warehouse.postgres.types import relation
from etl_assets.warehouse.postgres.write_paths import insert_from


class StagingLost(WarehouseUnavailable):
    """The staging table does not hold what was staged: a server that crashed has emptied it."""

    @classmethod
    def of(cls, table: LayerTable) -> "StagingLost":
        """The error, once it has happened twice."""
        return cls(
            f"What was staged for {table.path} is gone: the warehouse's server crashed meanwhile.",
            "Run it again; nothing was published.",
        )


def insert_days(
    connection: sa.Connection, staging: Staging, days: Sequence[StagedDay], expected: int
) -> None:
    """Add the staged rows of these days; raises StagingLost where they are not so many."""
    source: sql.Composable = staging_target(staging).relation
    if len(days) < len(staging.days) or staging.changes is not None:
        source = sql.SQL("{} WHERE {} = ANY({})").format(
            source,
            sql.Identifier(part_column(staging.table)),
            sql.Literal([number for number, day in enumerate(staging.days) if day in days]),
        )
    rows = insert_from(connection, relation(staging.table), filled(staging, days), source)
    if rows != expected:
        raise StagingLost.of(staging.table)


def refuse_lost(connection: sa.Connection, staging: Staging) -> None:
    """Raise StagingLost unless the staging table has all that was staged."""
    counted = driver_of(connection).execute(
        sql.SQL("SELECT count(*) FROM {}").format(staging_target(staging).relation)
    )
    if counted.fetchone() != (rows_of(staging),):
        raise StagingLost.of(staging.table)


def is_staged_row(staging: Staging) -> sql.Composed:
    """The condition that a row of the staging table is to be published, and not to leave."""
    return sql.SQL("{} <> {}").format(sql.Identifier(part_column(staging.table)), sql.Literal(GONE))


def filled(staging: Staging, days: Sequence[StagedDay]) -> dict[str, sql.Composable]:
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
