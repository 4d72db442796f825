"""Counts and checksums of a table's rows, computed in the source as `core/digests.py` has them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.cursor import MOMENT
from etl_assets.core.digests import BUCKETS_SCHEMA, compared, row_digests_schema
from etl_assets.core.frames import CURSOR, DIGEST
from etl_assets.core.partitions import windows_of
from etl_assets.core.scope import Scope
from etl_assets.postgres import arrow_types, digest_text
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.connection import source_errors
from etl_assets.postgres.copy import copy_frames
from etl_assets.sources.abilities import Ability, unable
from etl_assets.sources.postgres.opened import OpenTable, cannot_of


@dataclass
class DigestReads(OpenTable):
    """What source and warehouse are compared by; each raises SourceUnavailable or SourceError.

    Rows that no dtype can hold are not counted, nor are those that have no day.
    """

    def digests(
        self, days: Collection[date] | None, buckets: int, scope: Scope | None = None
    ) -> pl.DataFrame:
        """Count and checksum by day and bucket in BUCKETS_SCHEMA, of these days, None for all of
        the scope."""
        low, high = digest_text.checksum("digest")
        columns = [
            ColumnRead("day", "day", arrow_types.DATE, "day"),
            ColumnRead("bucket", "bucket", arrow_types.INT64, "bucket"),
            ColumnRead("rows", "count(*)", arrow_types.INT64, "rows"),
            ColumnRead("low", low, arrow_types.INT64, "low"),
            ColumnRead("high", high, arrow_types.INT64, "high"),
        ]
        named = sql.SQL(", ").join(sql.SQL(column.select) for column in columns)
        rows = self.selects.selected(
            [self._day(), self._bucket(buckets), self._digest()],
            self.selects.in_scope(scope) if days is None else self._of(days),
        )
        grouped = sql.SQL("SELECT {} FROM ({}) AS digests GROUP BY day, bucket").format(named, rows)
        return self._frame(grouped, columns, BUCKETS_SCHEMA)

    def row_digests(self, day: date, buckets: int, among: Collection[int]) -> pl.DataFrame:
        """Key and digest of the day's rows whose bucket is `among` those given.

        The schema is `core.digests.row_digests_schema`, and CURSOR, the place of the row
        (`Cursor.place_dtype`), null where it has none.
        """
        key = [column for column in self.selects.columns if column.name in self.table.key]
        columns = [*key, replace(self._digest(), name=DIGEST), self._cursor()]
        where = sql.SQL("{} AND {} = ANY({}::bigint[])").format(
            self._of([day]),
            sql.SQL(self._bucket(buckets).select),
            sql.Literal([int(bucket) for bucket in among]),
        )
        schema = row_digests_schema(self.table)
        schema[CURSOR] = self.table.cursor.place_dtype if self.table.cursor else MOMENT
        return self._frame(self.selects.selected(columns, where), columns, schema)

    def _frame(
        self, query: sql.Composed, columns: Sequence[ColumnRead], schema: pl.Schema
    ) -> pl.DataFrame:
        with source_errors(f"comparing {self.source}"):
            frames = list(copy_frames(self.connection, query, columns, of=self.table.path))
        return pl.concat(
            [pl.DataFrame(schema=schema), *(frame.select(*schema) for frame in frames)]
        )

    def _of(self, days: Collection[date]) -> sql.Composable:
        windows = [self.selects.within(window) for window in windows_of(days)]
        return sql.SQL("({})").format(sql.SQL(" OR ").join([*windows, sql.SQL("FALSE")]))

    def _day(self) -> ColumnRead:
        day = self.selects.days.day().as_string()
        return ColumnRead("day", day, arrow_types.DATE, day)

    def _bucket(self, buckets: int) -> ColumnRead:
        cannot = cannot_of(self.table)
        if Ability.DIGESTS in cannot:
            raise unable(self.table, Ability.DIGESTS, cannot)
        key = [self.table.column(name) for name in self.table.key]
        bucket = digest_text.bucket_of(self._line(key), buckets)
        return ColumnRead("bucket", bucket, arrow_types.INT64, bucket)

    def _digest(self) -> ColumnRead:
        digest = digest_text.row_digest(self._line(compared(self.table)))
        return ColumnRead("digest", digest, arrow_types.STRING, digest)

    def _cursor(self) -> ColumnRead:
        keyset, absent = self.selects.keyset, "NULL::timestamptz"
        if keyset is None:
            return ColumnRead(CURSOR, absent, arrow_types.MOMENT, absent)
        return keyset.cursor.read(CURSOR)

    def _line(self, columns: Sequence[Column]) -> str:
        reads = {column.name: column for column in self.selects.columns}
        return digest_text.line(
            [digest_text.canonical_text(c.dtype, reads[c.name].loaded) for c in columns]
        )
