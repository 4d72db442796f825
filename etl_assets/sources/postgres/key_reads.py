"""Reads an open table by its keys, and tells which keys and which rows are unfit to be published.

How a key is compared is `keys.py`; what is done with such rows is decided in `pipeline/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.scope import Scope
from etl_assets.postgres.catalogue import read_unique_indexes
from etl_assets.postgres.columns import ColumnRead, keeps_values_apart
from etl_assets.postgres.connection import source_errors
from etl_assets.postgres.copy import copy_frames
from etl_assets.sources.found import RejectedChanges
from etl_assets.sources.postgres.changes import PostgresChangeRead, read_of, read_rejects
from etl_assets.sources.postgres.declared import source_table
from etl_assets.sources.postgres.keys import among as rows_among
from etl_assets.sources.postgres.keys import is_distinct, repeated
from etl_assets.sources.postgres.opened import OpenTable


@dataclass
class KeyReads(OpenTable):
    """The ways to read a table by its keys; each raises SourceUnavailable or SourceError."""

    _is_unique: bool | None = field(default=None, init=False)

    @property
    def key_is_unique(self) -> bool:
        """Whether a unique index proves that no key stands in two rows, NULL equal to NULL."""
        if self._is_unique is None:
            with source_errors(f"reading the indexes of {self.source}"):
                self._is_unique = self._proven()
        return self._is_unique

    def by_keys(self, keys: pl.DataFrame) -> PostgresChangeRead:
        """See `Snapshot.by_keys`."""
        return read_of(self, self._among(keys), (), None, is_last=True)

    def repeated_keys(self, scope: Scope | None, among: pl.DataFrame | None = None) -> pl.DataFrame:
        """See `Snapshot.repeated_keys`."""
        key = [self.table.column(name) for name in self.table.key]
        found = [pl.DataFrame(schema={column.name: column.dtype for column in key})]
        if self.key_is_unique:
            return found[0]
        selects = self.selects
        columns = [read for name in selects.key for read in selects.columns if read.name == name]
        wheres = [sql.SQL("TRUE")] if among is None else self._among(among)
        inside = sql.SQL("{} AND {}").format(selects.in_scope(scope), selects.guards(columns))
        with source_errors(f"looking for repeated keys of {self.source}"):
            if among is None and len(columns) == 1 and self._is_distinct(columns[0], inside):
                return found[0]
            for where in wheres:
                both = sql.SQL("{} AND {}").format(inside, where)
                query = repeated(columns, [c.dtype for c in key], selects.relation, both)
                found += copy_frames(self.connection, query, columns, of=self.table.path)
        return pl.concat(found)

    def unreadable(self, scope: Scope | None) -> RejectedChanges:
        """See `Snapshot.unreadable`."""
        wheres = [self.selects.in_scope(scope)] if self.selects.rejects_rows else []
        with source_errors(f"looking for rows of {self.source} that no dtype holds"):
            return read_rejects(self, wheres)

    def _is_distinct(self, column: ColumnRead, where: sql.Composable) -> bool:
        dtype = self.table.column(column.name).dtype
        query = is_distinct(column, dtype, self.selects.relation, where)
        (answer,) = self.connection.execute(query).fetchone() or (False,)
        return bool(answer)

    def _among(self, keys: pl.DataFrame) -> Sequence[sql.Composable]:
        texts = keys.select(_as_text(self.table.column(name)) for name in self.table.key)
        return rows_among(self.selects.key_parts, texts)

    def _proven(self) -> bool:
        """Whether the catalogue has a unique index over columns of the key.

        With a parent a row of ours must not be found twice because the parent's is.
        """
        source = source_table(self.table)
        own = read_unique_indexes(self.connection, source.schema, source.table, only=source.only)
        apart = {
            column.in_source
            for column in (self.table.column(name) for name in self.table.key)
            if column.name in self.table.source_columns and keeps_values_apart(column)
        }
        if not any(index.nulls_are_equal and index.columns <= apart for index in own):
            return False
        if source.parent is None:
            return True
        joined: set[str] = set(source.parent.on.values())
        parents = read_unique_indexes(self.connection, source.schema, source.parent.table)
        return any(index.columns <= joined for index in parents)


def _as_text(column: Column) -> pl.Expr:
    """A text that PostgreSQL reads as the value."""
    value = pl.col(column.name)
    if isinstance(column.dtype, pl.Binary):
        return pl.concat_str(pl.lit("\\x"), value.bin.encode("hex")).alias(column.name)
    if isinstance(column.dtype, pl.Datetime) and column.source_zone is not None:
        value = value.dt.convert_time_zone(column.source_zone).dt.replace_time_zone(None)
    if isinstance(column.dtype, pl.Time):  # a cast leaves the fraction of a second out
        return value.dt.to_string("%H:%M:%S%.6f")
    return value.cast(pl.String)
