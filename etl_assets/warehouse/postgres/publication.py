"""Carries a publication out inside a transaction, step by step as `warehouse/publication.py` says.

Connections and errors are `engine.py`, what is staged `staging.py`.
"""

import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.partitions import windows_of
from etl_assets.core.table import LayerTable
from etl_assets.postgres.connection import driver_of
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.postgres import quarantine
from etl_assets.warehouse.postgres.inquiries import new_versions
from etl_assets.warehouse.postgres.key_tables import key_table, spooled_keys
from etl_assets.warehouse.postgres.staging import (
    DATE,
    StagingLost,
    part_column,
    refuse_lost,
    staging_target,
)
from etl_assets.warehouse.postgres.states import put_states, put_table, record, take_turn
from etl_assets.warehouse.postgres.types import day_of, on_days, relation, same_key, within
from etl_assets.warehouse.postgres.write_paths import insert_from
from etl_assets.warehouse.publication import STAGED_DAY, Publication, Staging


def publish(connection: sa.Connection, publication: Publication) -> None:
    """Publish inside the caller's transaction, which may be done twice.

    Raises LostTurn, and StagingLost where the parts must be staged again first.
    """
    staging, table = publication.staging, publication.table
    if not take_turn(connection, publication.table_state, publication.token):
        return
    refuse_lost(connection, staging)
    _remove(connection, publication)
    if staging.rows:
        _insert(connection, publication)
        if table.versions is not None:
            versions = new_versions(connection, staging, table.versions)
            source = sql.SQL("({}) AS s").format(versions)
            columns = _filled(staging, table.versions)
            insert_from(connection, relation(table.versions), columns, source)
    quarantine.add(connection, table, staging.days)
    if publication.ledger is not None:
        quarantine.replace_ledger(connection, table, publication.replaced, publication.ledger)
    if publication.tombstones is not None:
        quarantine.put_tombstones(connection, table, publication.tombstones)
    put_states(connection, publication.states)
    put_table(connection, publication.table_state)
    record(connection, publication.history)


def _remove(connection: sa.Connection, publication: Publication) -> None:
    """Let rows and quarantine leave."""
    table, driver = publication.table, driver_of(connection)
    for window in windows_of(publication.replaced):
        driver.execute(
            sql.SQL("DELETE FROM {} WHERE {}").format(relation(table), within(table, window))
        )
    if publication.replaced:
        quarantine.delete_parts(connection, table, publication.replaced)
    leaving = publication.leaving
    if leaving is not None and leaving.rows and publication.leaving_from:
        with spooled_keys(connection, table, leaving) as keys:
            driver.execute(
                sql.SQL("DELETE FROM {} AS t USING {} AS s WHERE {} AND {}").format(
                    relation(table),
                    keys,
                    on_days(table, publication.leaving_from, "t"),
                    same_key(table),
                )
            )
    if publication.cleared:
        quarantine.clear(connection, table, publication.cleared)


def _insert(connection: sa.Connection, publication: Publication) -> None:
    """Add the staged rows but for those left out; raises StagingLost where some are missing."""
    staging, table, left_out = publication.staging, publication.table, publication.left_out
    target, columns = relation(table), _filled(staging, table)
    source = sql.SQL("{} AS s").format(staging_target(staging).relation)
    expected = staging.rows
    if left_out is None or not left_out.height:
        inserted = insert_from(connection, target, columns, source)
    else:
        expected -= left_out.height
        day = Column(STAGED_DAY, DATE, nullable=False, description="")
        keys = [day, *(table.column(name) for name in table.key)]
        with key_table(connection, keys, [left_out], left_out.height) as out:
            source += sql.SQL(
                " WHERE NOT EXISTS (SELECT FROM {} AS o WHERE o.{} = {} AND {})"
            ).format(out, sql.Identifier(STAGED_DAY), day_of(table, "s"), same_key(table, "o", "s"))
            inserted = insert_from(connection, target, columns, source)
    if inserted != expected:
        raise StagingLost.of(table)


def _filled(staging: Staging, into: LayerTable) -> dict[str, sql.Composable]:
    """The published table's columns, and what of a staged row `s` or of the run fills each."""
    columns: dict[str, sql.Composable] = {
        column.name: sql.Identifier("s", column.name) for column in into.columns
    }
    audit: dict[str, object] = {
        "_ingested_at": max(staged.state.updated_at for staged in staging.days),
        "_run_id": staging.days[0].state.run_id,
        "_schema_version": schema_version(into),
    }
    columns |= {name: sql.Literal(value) for name, value in audit.items()}
    columns["_source"] = _source(staging)
    return columns


def _source(staging: Staging) -> sql.Composable:
    sources = list(dict.fromkeys(staged.source for staged in staging.days))
    if len(sources) == 1:
        return sql.Literal(sources[0])
    numbers = [sources.index(staged.source) + 1 for staged in staging.days]
    return sql.SQL("({}::text[])[({}::integer[])[s.{} + 1]]").format(
        sql.Literal(sources),
        sql.Literal(numbers),
        sql.Identifier(part_column(staging.table)),
    )
