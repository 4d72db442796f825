"""Column lineage as Dagster has it: each column with the upstream columns that it is made of.

That of derived tables is measured in `core/column_lineage.py`.
"""

from functools import cache

import dagster as dg

from etl_assets.core.catalog import Catalog
from etl_assets.core.column_lineage import columns_read
from etl_assets.core.computed import Computed, DayIn, words_of
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.names import key_of_path, source_key, source_key_of


@cache
def column_lineage(catalog: Catalog, table: LayerTable) -> dg.TableColumnLineage | None:
    """Each column of the table with the upstream columns that it is made of."""
    if table.transform is None:
        return _from_source(catalog, table)
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(key_of_path(path), name) for path, name in read]
            for column, read in columns_read(catalog, table).items()
        }
    )


def _from_source(catalog: Catalog, table: LayerTable) -> dg.TableColumnLineage | None:
    if table.source is None:
        return None
    return dg.TableColumnLineage(
        {column.name: _read_from(catalog, table, column.name) for column in table.columns}
    )


def _read_from(catalog: Catalog, table: LayerTable, name: str) -> list[dg.TableColumnDep]:
    """The source's columns that a column is read from; a source of PostgreSQL may borrow columns
    and compute them, and says of what."""
    source = table.source
    if name in table.not_at_source:
        return []
    if isinstance(source, PostgresTable):
        if name in source.computed:
            used = _computed_from(table, source, source.computed[name])
            return [found for other in used for found in _read_from(catalog, table, other)]
        if source.parent and name in source.parent.columns:
            parent = _parent_key(catalog, source, source.parent)
            return [dg.TableColumnDep(parent, source.parent.columns[name])]
    return [dg.TableColumnDep(source_key(table), table.source_columns.get(name, name))]


def _computed_from(table: LayerTable, source: PostgresTable, computed: Computed) -> list[str]:
    """The columns that a computed one is made of, by their names in the contract if it has them.

    An expression names them as the source does.
    """
    if isinstance(computed, DayIn):
        return [computed.column]
    words = words_of(computed)
    parents = source.parent.columns if source.parent else {}
    names = {**table.source_columns, **parents}
    return [own for own, theirs in names.items() if theirs in words]


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
