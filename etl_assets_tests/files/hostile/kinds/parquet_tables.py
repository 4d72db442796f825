"""Tables for hostile Parquet files: types with values at their edges, and contracts for them."""

import io
from datetime import time
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Parquet
from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.cases import of_column as col
from etl_assets_tests.files.hostile.kinds.contracts import NAUGHTY

UTC_US, NAIVE = pl.Datetime("us", "UTC"), pl.Datetime("us")
_FAR = [0, 1, -1, 1706695872123456, 999, 1000, 2**62, -(2**62), 253402300799999999]
_TEXTS = ["x", "", "caf\u00e9", "007", "a\0b", *NAUGHTY]
_PRICES = [Decimal("1.10"), Decimal("-99999.99"), Decimal("0.00"), Decimal("0.01")]

Kinds = list[tuple[pa.DataType, list[Any], list[pl.DataType]]]
KINDS: Kinds = [
    (pa.int8(), [0, 127, -128], [pl.Int8(), pl.Int64(), pl.Decimal(18, 2)]),
    (pa.int32(), [0, 2**31 - 1, -(2**31)], [pl.Int32(), pl.Int64(), pl.Decimal(12, 2)]),
    (pa.int64(), [0, 2**63 - 1, -(2**63), 2**53 + 1], [pl.Int64(), pl.Decimal(38, 10)]),
    (pa.uint16(), [0, 2**16 - 1], [pl.UInt16(), pl.Int32(), pl.UInt64()]),
    (pa.uint32(), [0, 2**32 - 1], [pl.UInt32(), pl.Int64()]),
    (pa.uint64(), [0, 2**64 - 1], [pl.UInt64(), pl.Decimal(38, 0)]),
    (pa.float32(), [0.5, -0.0, float("nan"), float("inf")], [pl.Float32(), pl.Float64()]),
    (pa.float64(), [0.1, -0.0, float("nan"), 5e-324, 1e308, float("-inf")], [pl.Float64()]),
    (pa.decimal128(7, 2), _PRICES, [pl.Decimal(7, 2), pl.Decimal(20, 4)]),
    (pa.decimal128(18, 2), _PRICES, [pl.Decimal(18, 2), pl.Decimal(38, 10)]),
    (pa.decimal128(38, 2), [*_PRICES, Decimal("9" * 36 + ".99")], [pl.Decimal(38, 2)]),
    (pa.string(), _TEXTS, [pl.String()]),
    (pa.large_string(), _TEXTS, [pl.String()]),
    (pa.dictionary(pa.int32(), pa.string()), _TEXTS, [pl.String()]),
    (pa.binary(), [b"", b"\0\xff", b"x" * 50], [pl.Binary()]),
    (pa.bool_(), [True, False], [pl.Boolean()]),
    (pa.date32(), [0, 19753, -719162, -719163, 2932896, 2932897, 2**31 - 1], [pl.Date()]),
    (pa.time64("us"), [time(1, 2, 3, 4), time.max, time.min], [pl.Time()]),
    (pa.time32("ms"), [time(1, 2, 3, 4000), time.min], [pl.Time()]),
    (pa.timestamp("us"), _FAR, [NAIVE, UTC_US]),
    (pa.timestamp("ns"), _FAR, [NAIVE, UTC_US]),
    (pa.timestamp("ms"), [*_FAR[:5], 2**53, 253402300800000], [NAIVE, UTC_US]),
    (pa.timestamp("us", "UTC"), _FAR, [UTC_US]),
    (pa.timestamp("ns", "America/New_York"), _FAR, [UTC_US]),
    (pa.timestamp("ms", "Asia/Tokyo"), _FAR[:5], [UTC_US]),
    (pa.null(), [None], [pl.Int8(), pl.String()]),
    (pa.list_(pa.int64()), [[], [1], [1, None, 3]], [pl.List(pl.Int64())]),
    (
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        [{"a": 1, "b": "x"}, {"a": None, "b": "\u00e9"}],
        [pl.Struct({"a": pl.Int64, "b": pl.String})],
    ),
]
LOCAL = [0, 1704106800000000, 1729996200000000, 1711852200000000]
"""Local times in microseconds, of which Berlin has one twice and one not at all."""

OPTIONS: list[dict[str, Any]] = [
    *({}, {"compression": "none"}, {"compression": "zstd"}, {"compression": "gzip"}),
    *({"use_dictionary": False}, {"data_page_version": "2.0"}, {"version": "1.0"}),
    *({"row_group_size": 3}, {"data_page_size": 1}, {"write_statistics": False}),
    *(
        {"store_schema": False},
        {"store_decimal_as_integer": True},
        {"dictionary_pagesize_limit": 9},
    ),
    {"compression": "brotli", "data_page_version": "2.0", "row_group_size": 2},
]


def written(table: pa.Table, **options: Any) -> bytes:
    """The file, with checksums."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"write_page_checksum": True, **options})
    return sink.getvalue()


def drawn(
    random: Random, arrow: pa.DataType, values: list[Any], rows: int, nulls: float = 0.15
) -> pa.Array:
    """An array of the type, some of it null."""
    picked = [None if random.random() < nulls else random.choice(values) for _ in range(rows)]
    return pa.array(picked, arrow)


def drafted(
    random: Random, columns: int | None = None, kinds: Kinds | None = None
) -> tuple[pa.Table, tuple[Column, ...]]:
    """A table and a contract that fits it."""
    picked = random.sample(kinds or KINDS, columns or random.randint(1, 5))
    rows = random.choice([1, 2, 5, 12])
    arrays, contract = {}, []
    for place, (arrow, values, dtypes) in enumerate(picked):
        name = f"c{place}"
        dtype = random.choice(dtypes)
        more: dict[str, Any] = {}
        if dtype == UTC_US and arrow.tz is None:
            more = {"source_zone": "Europe/Berlin"}
            values = LOCAL if arrow.unit == "us" else values
        arrays[name] = drawn(random, arrow, values, rows)
        contract.append(col(name, dtype, nullable=random.random() < 0.8, **more))
    return pa.table(arrays), tuple(contract)


def case_of(random: Random, table: pa.Table, columns: tuple[Column, ...], **options: Any) -> Case:
    """A file of the table with some options of the writer."""
    given = {**random.choice(OPTIONS), **options}
    table_is_old = given.get("version") == "1.0"
    if table_is_old and any(
        str(kind).startswith(("timestamp[ns", "uint32")) for kind in table.schema.types
    ):
        del given["version"]  # it would write other types
    return Case(written(table, **given), columns, Parquet(), written=table)
