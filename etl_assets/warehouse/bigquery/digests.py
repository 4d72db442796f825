"""The digests of `core/digests.py`, computed inside BigQuery."""

from collections.abc import Collection
from datetime import date
from uuid import uuid4

import polars as pl
from google.cloud.bigquery import QueryJob

from etl_assets.core.contracts import Column
from etl_assets.core.digests import (
    BUCKETS_SCHEMA,
    SEPARATOR,
    compared,
    mark_left_out,
    row_digests_schema,
)
from etl_assets.core.frames import DIGEST
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.float_bits import float_bits
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.reading import frame_of
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.types import day_of, on_days, quote


class Digests:
    """Asks published tables for checksums; one that nobody published yet is empty."""

    def __init__(self, jobs: Jobs, datasets: Datasets) -> None:
        self._jobs, self._datasets = jobs, datasets

    def of_buckets(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Rows.digests`."""
        if not days or self._datasets.find(table) is None:
            return pl.DataFrame(schema=BUCKETS_SCHEMA)
        digest = _md5(compared(table))
        job = self._query(
            f"SELECT x.day AS `day`, x.bucket AS `bucket`, COUNT(*) AS `rows`, "  # noqa: S608
            f"SUM({_eight_digits('x.digest', 1)}) AS `low`, "
            f"SUM({_eight_digits('x.digest', 9)}) AS `high` FROM ("
            f"SELECT {day_of(table, 't.')} AS day, "
            f"{_bucket(table, buckets)} AS bucket, {digest} AS digest "
            f"FROM {self._datasets.published(table)} AS t WHERE {on_days(table, days, 't.')}"
            f"{_is_at_source(table)}"
            ") AS x GROUP BY 1, 2"
        )
        return frame_of(job, BUCKETS_SCHEMA)

    def of_rows(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Rows.row_digests`."""
        schema = row_digests_schema(table)
        if not among or self._datasets.find(table) is None:
            return pl.DataFrame(schema=schema)
        key = ", ".join(f"t.{quote(name)}" for name in table.key)
        wanted = ", ".join(str(int(bucket)) for bucket in among)
        job = self._query(
            f"SELECT {key}, {_md5(compared(table))} AS {quote(DIGEST)} "  # noqa: S608 - quoted
            f"FROM {self._datasets.published(table)} AS t "
            f"WHERE {on_days(table, [day], 't.')} AND {_bucket(table, buckets)} IN ({wanted})"
            f"{_is_at_source(table)}"
        )
        return frame_of(job, schema)

    def _query(self, sql: str) -> QueryJob:
        return self._jobs.query(sql, f"etl_digest_{uuid4().hex}")


def _is_at_source(table: LayerTable) -> str:
    """That the row is not marked as gone from the source: one more condition, or nothing."""
    mark = mark_left_out(table)
    return f" AND t.{quote(mark)} IS NULL" if mark else ""


def _bucket(table: LayerTable, buckets: int) -> str:
    key = [table.column(name) for name in table.key]
    return f"MOD({_eight_digits(_md5(key), 1)}, {int(buckets)})"


def _eight_digits(digest: str, first: int) -> str:
    return f"CAST(CONCAT('0x', SUBSTR({digest}, {first}, 8)) AS INT64)"


def _md5(columns: Collection[Column]) -> str:
    """The MD5, in hex, of the line of these columns."""
    values = [
        f"IF(t.{quote(column.name)} IS NULL, 'N', CONCAT('V', {_text(column)}))"
        for column in columns
    ]
    between = f", CODE_POINTS_TO_STRING([{SEPARATOR}]), "
    return f"TO_HEX(MD5(CONCAT({between.join(values)})))"


def _text(column: Column) -> str:
    """The canonical text of a value that is not NULL."""
    return _text_of(column.dtype, f"t.{quote(column.name)}")


def _text_of(dtype: pl.DataType, value: str) -> str:
    if isinstance(dtype, pl.Boolean):
        return f"IF({value}, '1', '0')"
    if isinstance(dtype, pl.Decimal):
        return _unscaled(value, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        moment = value if dtype.time_zone else f"TIMESTAMP({value})"
        return f"CAST(UNIX_MICROS({moment}) AS STRING)"
    if isinstance(dtype, pl.Date):
        return f"CAST(UNIX_DATE({value}) AS STRING)"
    if isinstance(dtype, pl.Time):
        return f"CAST(TIME_DIFF({value}, TIME '00:00:00', MICROSECOND) AS STRING)"
    if isinstance(dtype, pl.Binary):
        return f"TO_HEX({value})"
    if isinstance(dtype, pl.Float32 | pl.Float64):
        return float_bits(value)
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        item = f"CONCAT('V', TO_HEX(MD5({_text_of(dtype.inner, 'item')})))"  # none is NULL here
        items = f"SELECT {item} FROM UNNEST({value}) AS item WITH OFFSET AS place ORDER BY place"  # noqa: S608
        return f"ARRAY_TO_STRING(ARRAY({items}), ',')"
    return value if isinstance(dtype, pl.String) else f"CAST({value} AS STRING)"


def _unscaled(value: str, scale: int) -> str:
    """A decimal times 10^scale, by its digits: the product of 38 of them may not fit any type."""
    text = f"CAST({value} AS STRING)"
    whole = f"REGEXP_EXTRACT({text}, r'^-?([0-9]*)')"
    behind = f"IFNULL(REGEXP_EXTRACT({text}, r'[.]([0-9]*)'), '')"
    digits = f"LTRIM(CONCAT({whole}, RPAD({behind}, {scale}, '0')), '0')"
    return f"CONCAT(IF({value} < 0, '-', ''), IFNULL(NULLIF({digits}, ''), '0'))"
