"""Files that the platform once read wrongly, found by the oracle, each by its name."""

import gzip
import struct
import zlib
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from etl_assets.core.file_formats import Compression, Csv, FileFormat, JsonLines, Parquet, Texts
from etl_assets.sources.files.reading.expand import expanded
from etl_assets.sources.files.reading.results import FileRefused, Limits
from etl_assets_tests.files.hostile.kinds import thrift
from etl_assets_tests.files.hostile.kinds.parquet_tables import written
from etl_assets_tests.files.reading import col, read, refusal

MOMENT = 1_706_695_872_123_456_000
UTC_US = pl.Datetime("us", "UTC")


@pytest.mark.parametrize("block_bytes", [5, 1 << 20])
def test_f11_a_mark_amid_a_file_is_part_of_the_value(block_bytes: int) -> None:
    """Arrow's reader drops the mark at the begin of each block."""
    content = "a\nx\n\ufeffy\n\ufeffz\n".encode()
    found = read(content, [col("a")], limits=Limits(block_bytes=block_bytes))
    assert found.rows() == [("x",), ("\ufeffy",), ("\ufeffz",)]
    twice = read("\ufeff\ufeff1\n".encode(), [col("a")], Csv(header=False))
    assert twice.rows() == [("\ufeff1",)]


@pytest.mark.parametrize("flags", [2, 8, 16, 12, 24, 31])
@pytest.mark.parametrize("before", [b"", gzip.compress(b"first\n")], ids=["first", "second"])
def test_f7_a_header_of_gzip_may_be_cut_by_a_chunk_anywhere(flags: int, before: bytes) -> None:
    """isal refuses a member whose header with a name or a checksum comes in two pieces."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff"
    head += b"\x05\0extra" if flags & 4 else b""
    head += (b"name.csv\0" if flags & 8 else b"") + (b"a comment\0" if flags & 16 else b"")
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF) if flags & 2 else b""
    body = zlib.compressobj(wbits=-15)
    end = struct.pack("<II", zlib.crc32(b"text\n"), 5)
    content = before + head + body.compress(b"text\n") + body.flush() + end
    wanted = b"first\ntext\n" if before else b"text\n"
    for cut in range(len(content)):
        chunks = [content[:cut], content[cut:]]
        assert b"".join(expanded(chunks, Compression.GZIP, Limits())) == wanted
    for size in range(len(before) + 1, len(content)):
        with pytest.raises(FileRefused):
            list(expanded([content[:size]], Compression.GZIP, Limits()))


@pytest.mark.parametrize("file_format", [Csv(delimiter=";"), JsonLines()])
def test_infinity_is_a_name_also_where_the_decimal_sign_is_another(
    file_format: FileFormat,
) -> None:
    columns = [col("x", pl.Float64(), text=Texts(decimal=",", thousands="."))]
    texts = ["-INF", "1,5", "1.5", "in"]
    is_json = isinstance(file_format, JsonLines)
    lines = [f'{{"x":"{text}"}}' for text in texts] if is_json else ["x", *texts]
    found = read("".join(line + "\n" for line in lines).encode(), columns, file_format)
    assert found.rows() == [(-float("inf"),), (1.5,)]
    assert len(found.bad) == 2


def test_f16_nanoseconds_of_int96_that_microseconds_cannot_hold_are_bad() -> None:
    """Arrow cuts them off."""
    moments = pa.array([MOMENT, MOMENT + 789, None, -1_000, -1], pa.timestamp("ns"))
    content = written(pa.table({"m": moments}), use_deprecated_int96_timestamps=True)
    for column in (col("m", pl.Datetime("us")), zoned("m")):
        found = read(content, [column], Parquet())
        assert [bad.line for bad in found.bad] == [2, 5]
        assert found.lines == [1, 3, 4]
        assert found.rows()[1] == (None,)


def zoned(name: str) -> Any:
    column = col(name, UTC_US)
    return type(column)(name, UTC_US, True, "", source_zone="UTC")


def test_f16_int96_in_a_list_is_refused() -> None:
    lists = pa.array([[MOMENT]], pa.list_(pa.timestamp("ns")))
    content = written(pa.table({"m": lists}), use_deprecated_int96_timestamps=True)
    columns = [col("m", pl.List(pl.Datetime("us")))]
    assert "INT96 in a list or struct" in refusal(content, columns, Parquet())


def test_f16_a_bad_row_with_a_zone_that_is_an_offset_refuses_no_file() -> None:
    moments = pa.array([0, None], pa.timestamp("us", "+05:30"))
    column = col("m", UTC_US, nullable=False)
    found = read(written(pa.table({"m": moments})), [column], Parquet())
    assert found.rows() == [(datetime(1970, 1, 1, tzinfo=UTC),)]
    assert [bad.line for bad in found.bad] == [2]


def test_f16_a_bad_row_with_a_moment_too_far_for_a_date_refuses_no_file() -> None:
    moments = pa.array([0, 2**62], pa.timestamp("ms"))
    found = read(written(pa.table({"m": moments})), [col("m", pl.Datetime("us"))], Parquet())
    assert (found.lines, found.faults[0][:2]) == ([1], (2, "m"))
    assert str(2**62) in found.bad[0].raw


@pytest.mark.parametrize("file_format", [Csv(), Parquet()])
def test_f12_a_column_without_a_name_keeps_its_name_in_the_overflow(
    file_format: FileFormat,
) -> None:
    content = b"a,,column_1\n1,2,3\n"
    if isinstance(file_format, Parquet):
        content = written(pa.table({"a": ["1"], "": ["2"], "column_1": ["3"]}))
    found = read(content, [col("a")], file_format, overflow=True)
    assert found.frame["_overflow"].str.replace_all(" ", "").to_list() == [
        '{"":"2","column_1":"3"}'
    ]


def changed_footer(field: int, value: int, *, chunk: bool) -> bytes:
    texts = pa.table({"s": ["a" * 100, "b" * 100]})
    content = written(texts, use_dictionary=False, compression="snappy")
    pages, footer = thrift.footer_of(content)
    holder = footer[4].values[0][1].values[0][3] if chunk else footer
    holder[field] = value
    return thrift.with_footer(pages, footer)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_f16_another_row_count_than_that_of_the_groups_refuses_the_file(rows: int) -> None:
    """With 0, Arrow reads no row and finds nothing wrong."""
    reason = refusal(changed_footer(3, rows, chunk=False), [col("s")], Parquet())
    assert reason == f"it has 2 rows, but its footer says {rows}"


def test_f14_pages_that_are_taken_for_unpacked_refuse_the_file() -> None:
    """Their checksums are right, and packed bytes would be the values."""
    content = written(pa.table({"n": list(range(1000))}), use_dictionary=False)
    pages, footer = thrift.footer_of(content)
    footer[4].values[0][1].values[0][3][4] = 0
    assert "damaged" in refusal(
        thrift.with_footer(pages, footer), [col("n", pl.Int64())], Parquet()
    )
