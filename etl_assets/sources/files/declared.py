"""What a table's spec says of its files."""

from collections.abc import Sequence

from etl_assets.core.contracts import Column
from etl_assets.core.source_specs import Files
from etl_assets.core.table import LayerTable


def files_of(table: LayerTable) -> Files:
    """What the spec says of the table's files."""
    assert isinstance(table.source, Files), table.path  # noqa: S101 - the factory has seen to it
    return table.source


def columns_of_files(table: LayerTable) -> Sequence[Column]:
    """The contract's columns that are read from the files themselves."""
    elsewhere = {*files_of(table).borrowed, table.overflow_column}
    return [column for column in table.columns if column.name not in elsewhere]
