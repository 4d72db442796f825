"""An open snapshot of a source table: what all ways of reading it share."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import psycopg

from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability
from etl_assets.sources.postgres.select import TableSelects


@dataclass
class OpenTable:
    """A table in a transaction of `connection`; `source` is what `_source` says of its rows."""

    table: LayerTable
    source: str
    connection: psycopg.Connection
    selects: TableSelects


def cannot_of(table: LayerTable) -> Mapping[Ability, str]:
    """What a table of PostgreSQL cannot be asked for, by its spec, each with the reason."""
    reasons = {}
    if table.cursor_column is None:
        reasons[Ability.CHANGES] = "Its spec names no cursor_column."
    for column in (table.column(name) for name in table.key):
        if isinstance(column.dtype, pl.Float32 | pl.Float64 | pl.List | pl.Struct):
            reasons[Ability.DIGESTS] = (
                f"The key column {column.name} is {column.dtype}, which not all databases print "
                "the same."
            )
    return reasons
