"""An open snapshot of a source table: what all ways of reading it share."""

from dataclasses import dataclass

import psycopg

from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.select import TableSelects


@dataclass
class OpenTable:
    """A table in a transaction of `connection`; `source` is what `_source` says of its rows."""

    table: LayerTable
    source: str
    connection: psycopg.Connection
    selects: TableSelects
