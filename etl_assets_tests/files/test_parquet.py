"""Parquet: what fits the contract without loss is read, all else refuses the file."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.file_formats import Compression, Parquet
from etl_assets.sources.files.reading.read import read_blocks
from etl_assets.sources.files.reading.results import FileRefused, Limits
from etl_assets.sources.files.reading.values import EMPTY
from etl_assets_tests.files.reading import col, read, refusal

PARQUET = Parquet()
UTC_US = pl.Datetime("us", "UTC")


def written(table: pa.Table | dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    table = pa.table(table) if isinstance(table, dict) else table
    pq.write_table(table, sink, write_page_checksum=True, **options)
    return sink.getvalue()


def array(values: list[Any], arrow: pa.DataType) -> pa.Array:
    return pa.array(values, arrow)


MOMENT = datetime(2024, 1, 31, 10, 11, 12, 123456)
FITS = [
    (pa.int32(), 7, pl.Int64(), 7),
    (pa.uint32(), 2**32 - 1, pl.Int64(), 2**32 - 1),
    (pa.int64(), -7, pl.Decimal(38, 2), Decimal("-7.00")),
    (pa.decimal128(5, 1), Decimal("1.5"), pl.Decimal(18, 3), Decimal("1.500")),
    (pa.float32(), 0.5, pl.Float64(), 0.5),
    (pa.string(), "é", pl.String(), "é"),
    (pa.dictionary(pa.int8(), pa.string()), "x", pl.String(), "x"),
    (pa.binary(), b"\0\xff", pl.Binary(), b"\0\xff"),
    (pa.bool_(), True, pl.Boolean(), True),
    (pa.date32(), date(2024, 2, 29), pl.Date(), date(2024, 2, 29)),
    (pa.time64("us"), time(1, 2, 3, 4), pl.Time(), time(1, 2, 3, 4)),
    (pa.time32("ms"), time(1, 2, 3), pl.Time(), time(1, 2, 3)),
    (pa.timestamp("us"), MOMENT, pl.Datetime("us"), MOMENT),
    (pa.timestamp("ms", "Asia/Tokyo"), 1706695872123, UTC_US, None),
    (pa.timestamp("ns", "UTC"), MOMENT, UTC_US, MOMENT.replace(tzinfo=UTC)),
    (pa.list_(pa.int64()), [1, None], pl.List(pl.Int64()), [1, None]),
    (pa.null(), None, pl.Int8(), None),
]


@pytest.mark.parametrize(("arrow", "value", "dtype", "wanted"), FITS, ids=str)
def test_f16_a_type_that_fits_is_cast_exactly(
    arrow: pa.DataType, value: object, dtype: pl.DataType, wanted: object
) -> None:
    content = written({"x": array([value, None], arrow)})
    found = read(content, [col("x", dtype)], PARQUET)
    if wanted is not None:
        assert found.rows() == [(wanted,), (None,)]
    assert (found.lines, found.summary.good) == ([1, 2], 2)


MISFITS = [
    (pa.int64(), pl.Int32()),
    (pa.uint64(), pl.Int64()),
    (pa.int32(), pl.UInt64()),
    (pa.int64(), pl.Float64()),
    (pa.int64(), pl.Decimal(18, 0)),
    (pa.int64(), pl.String()),
    (pa.float64(), pl.Float32()),
    (pa.float64(), pl.Decimal(38, 10)),
    (pa.decimal128(10, 3), pl.Decimal(10, 2)),
    (pa.decimal128(20, 2), pl.Decimal(18, 2)),
    (pa.decimal256(40, 2), pl.Decimal(38, 2)),
    (pa.string(), pl.Int64()),
    (pa.binary(), pl.String()),
    (pa.timestamp("us"), UTC_US),
    (pa.timestamp("us", "UTC"), pl.Datetime("us")),
    (pa.timestamp("us", "UTC"), pl.Date()),
    (pa.date32(), UTC_US),
    (pa.list_(pa.int32()), pl.List(pl.Int64())),
    (pa.struct([("a", pa.int64())]), pl.String()),
]


@pytest.mark.parametrize(("arrow", "dtype"), MISFITS, ids=str)
def test_f16_a_footer_that_does_not_fit_refuses_the_file(
    arrow: pa.DataType, dtype: pl.DataType
) -> None:
    reason = refusal(written({"x": array([None], arrow)}), [col("x", dtype)], PARQUET)
    assert "its column 'x' is" in reason
    assert "cannot hold without loss" in reason


def test_f16_naive_times_are_of_the_contracts_zone() -> None:
    naive = [datetime(2024, 1, 1, 12), datetime(2024, 10, 27, 2, 30), datetime(2024, 3, 31, 2, 30)]
    column = Column("x", UTC_US, True, "", source_zone="Europe/Berlin")
    found = read(written({"x": array(naive, pa.timestamp("us"))}), [column], PARQUET)
    assert found.rows() == [(datetime(2024, 1, 1, 11, tzinfo=UTC),)]
    assert [(bad.line, bad.column) for bad in found.bad] == [(2, "x"), (3, "x")]


def test_rows_with_values_that_do_not_fit_are_set_aside() -> None:
    content = written(
        {
            "m": array([0, 1, None, 10**18], pa.timestamp("ns", "UTC")),
            "d": array([0, 0, 0, 10**8], pa.date32()),
            "s": array(["a", "b", "c", "\0"], pa.string()),
        }
    )
    columns = [col("m", UTC_US, nullable=False), col("d", pl.Date()), col("s")]
    found = read(content, columns, PARQUET)
    assert found.lines == [1]
    assert [(bad.line, bad.column) for bad in found.bad] == [(2, "m"), (3, "m"), (4, "d")]
    assert found.bad[1].reason == EMPTY
    assert '"s": "b"' in found.bad[0].raw


def test_f13_f16_other_columns_are_drift_and_missing_ones_refuse_the_file() -> None:
    content = written(
        {"b": [1, 2], "a.x": [Decimal("1.10"), None], "t": [b"\1", None], "a": ["p", "q"]}
    )
    found = read(content, [col("a"), col("b", pl.Int64())], PARQUET, overflow=True)
    assert found.frame.rows()[0] == ("p", 1, 1, '{"a.x": "1.10", "t": "01"}')
    assert found.summary.extra == ["a.x", "t"]
    assert read(content, [col("a")], PARQUET).rows() == [("p",), ("q",)]
    assert "'z'" in refusal(content, [col("z")], PARQUET)
    assert read(content, [col("z", pl.Date())], PARQUET, missing="null").rows() == [(None,)] * 2
    twice = pa.Table.from_arrays([array([1], pa.int64())] * 2, names=["a", "a"])
    assert "both named 'a'" in refusal(written(twice), [col("a", pl.Int64())], PARQUET)


def test_f14_a_page_with_a_wrong_checksum_refuses_the_file() -> None:
    content = bytearray(
        written({"a": [f"value {n}" for n in range(100)]}, compression="none", use_dictionary=False)
    )
    place = content.index(b"value 50")
    content[place] ^= 1
    assert "CRC" in refusal(bytes(content), [col("a")], PARQUET)


def test_f16_files_cut_or_changed_anywhere_are_read_or_refused() -> None:
    table = {"a": ["x", "é", None], "n": [1, 2, 3], "l": [[1], [], None]}
    content = written(table, compression="snappy")
    columns = [col("a"), col("n", pl.Int64())]
    for cut in range(len(content)):
        assert "damaged" in refusal(content[:cut], columns, PARQUET)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x7F
        try:
            read(bytes(changed), columns, PARQUET, overflow=True)
        except FileRefused:
            continue


def test_f8_values_row_groups_and_files_beyond_the_limits_refuse_the_file(tmp_path: Path) -> None:
    content = written({"a": ["x" * 5000, "y"]})
    for limits, reason in (
        (Limits(record_bytes=4999), "value of more than 4,999 bytes"),
        (Limits(row_group_bytes=50), "row group 1 is larger"),
        (Limits(expanded_bytes=100), "has more than 100 bytes"),
        (Limits(expanded_bytes=4000), "expands to more than 4,000 bytes"),
    ):
        with pytest.raises(FileRefused, match=reason):
            read(content, [col("a")], PARQUET, limits=limits)


def test_blocks_are_bounded_and_rows_are_numbered_across_row_groups(tmp_path: Path) -> None:
    content = written({"n": list(range(1000))}, row_group_size=300)

    def chunks() -> Iterator[bytes]:
        yield from (content[start : start + 100] for start in range(0, len(content), 100))

    columns, limits = [col("n", pl.Int64())], Limits(batch_rows=128)
    reading = read_blocks(chunks(), PARQUET, Compression.NONE, columns, limits, folder=tmp_path)
    frames = [block.frame for block in reading]
    assert max(frame.height for frame in frames) <= 128
    assert pl.concat(frames).rows() == [(n, n + 1) for n in range(1000)]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ContractMismatch, match="not packed by gzip"):
        read_blocks([], PARQUET, Compression.GZIP, columns)
