"""What a table's spec says of its HTTP API."""

from collections.abc import Sequence

from etl_assets.core.contracts import Column
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.table import LayerTable


def api_of(table: LayerTable) -> HttpApi:
    """What the spec says of the API."""
    assert isinstance(table.source, HttpApi), table.path  # noqa: S101 - the factory has seen to it
    return table.source


def columns_of_items(table: LayerTable) -> Sequence[Column]:
    """The contract's columns that are read from the items."""
    return [column for column in table.columns if column.name not in table.not_at_source]
