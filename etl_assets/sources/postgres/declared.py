"""The source table that a raw table's spec declares."""

from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable


def source_table(table: LayerTable) -> PostgresTable:
    """The source of a raw table that is read from PostgreSQL; no other table comes here."""
    assert isinstance(table.source, PostgresTable), table.path  # noqa: S101 - the factory chose
    return table.source
