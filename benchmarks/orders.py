"""The benchmark's orders as Parquet files: what every contender of a warehouse's race starts from.

The same columns as the source's table (`source.py`), without a PostgreSQL to read. How they are
read again is `batches.py`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.source import DAY
from benchmarks.staged import staged_day
from benchmarks.table import RAW_ORDERS
from etl_assets.core.contracts import polars_schema
from etl_assets.warehouse.publication import StagedDay

BATCH_ROWS = 50_000
_MIDNIGHT = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
_DAY_MICROSECONDS = 86_400_000_000


def write_orders(folder: Path, rows: int) -> Path:
    """Write the rows, ids from 1 on and all of one day, a file for each 50,000; returns `folder`.

    They overwrite what is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(order_frames(rows)):
        frame.write_parquet(folder / f"{number:05d}.parquet")
    return folder


def order_frames(rows: int) -> Iterator[pl.DataFrame]:
    """The rows, ids from 1 on and all of one day, in frames of 50,000."""
    for first in range(1, rows + 1, BATCH_ROWS):
        yield _orders(first, min(rows, first + BATCH_ROWS - 1))


def staged_orders(frames: Iterable[pl.DataFrame], folder: Path) -> StagedDay:
    """The frames in a spool in `folder`, ready for `Warehouse.stage`."""
    return staged_day(
        RAW_ORDERS.path,
        DAY,
        frames,
        folder,
        source="postgres:public.orders",
        high_watermark=_MIDNIGHT,
        watermark_key="id=1",
    )


def _orders(first: int, last: int) -> pl.DataFrame:
    i = pl.col("id")
    placed = pl.lit(_MIDNIGHT).cast(pl.Datetime("us", "UTC")) + pl.duration(
        microseconds=i * 8641 % _DAY_MICROSECONDS
    )
    return (
        pl.select(pl.int_range(first, last + 1, dtype=pl.Int64).alias("id"))
        .with_columns(
            customer_id=1 + i * 7919 % 100_000,
            status=_one_of("paid", "shipped", "delivered", "cancelled"),
            total_cents=i * 37 % 100_000,
            currency=pl.lit("EUR"),
            channel=_one_of("web", "mobile", "store"),
            discount_cents=pl.when(i % 5 == 0).then((i % 1000).cast(pl.Int32)),
            coupon_code=pl.when(i % 7 == 0).then(pl.format("SAVE{}", i % 100)),
            note=pl.when(i % 12 == 0).then(pl.format('ring twice, "the blue door", no. {}', i)),
            created_at=placed,
            updated_at=placed + pl.duration(hours=1),
        )
        .select(list(polars_schema(RAW_ORDERS.columns)))
    )


def _one_of(*words: str) -> pl.Expr:
    numbers = dict(enumerate(words))
    return (pl.col("id") % len(words)).replace_strict(numbers, return_dtype=pl.String)
