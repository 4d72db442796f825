"""Column lineage, found by asking each transform which upstream columns a result column reads.

It is measured (`pipeline/column_reads.py`), so that lineage is never written by hand and never out
of date. Columns that only decide which rows there are (keys of
a join, a filter) are told apart by what the mere number of rows reads.
"""

from functools import cache

import dagster as dg
import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.names import key_of_path, source_key, source_key_of
from etl_assets.pipeline.column_reads import reads


@cache
def column_lineage(catalog: Catalog, table: LayerTable) -> dg.TableColumnLineage | None:
    """Each column of the table with the upstream columns that it is made of."""
    if table.transform is None:
        return _from_source(catalog, table)
    deciding = reads(catalog, table, pl.len())
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for column in table.columns:
        read = reads(catalog, table, pl.col(column.name))
        # A key of a join is made of the columns of its own name, if of no others.
        named = {(asset, name) for asset, name in read if name == column.name}
        deps[column.name] = [
            dg.TableColumnDep(key_of_path(asset), name)
            for asset, name in sorted((read - deciding) or named or read)
        ]
    return dg.TableColumnLineage(deps)


def _from_source(catalog: Catalog, table: LayerTable) -> dg.TableColumnLineage | None:
    if table.source is None:
        return None
    # A source of PostgreSQL may borrow columns, and says from which table.
    of_postgres = table.source if isinstance(table.source, PostgresTable) else None
    parent = of_postgres.parent if of_postgres else None
    borrowed = parent.columns if parent else {}
    own = source_key(table)
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(
                    _parent_key(catalog, of_postgres, parent)
                    if of_postgres and parent and column.name in borrowed
                    else own,
                    borrowed.get(column.name, column.name),
                )
            ]
            for column in table.columns
        }
    )


def _parent_key(catalog: Catalog, source: PostgresTable, parent: Parent) -> dg.AssetKey:
    """The asset of the parent's table; its own name where no raw table is read from it."""
    wanted = (source.connection, source.schema, parent.table)
    for table in catalog.values():
        found = table.source
        if (
            isinstance(found, PostgresTable)
            and (found.connection, found.schema, found.table) == wanted
        ):
            return source_key(table)
    return source_key_of(source.connection, parent.table)
