"""Small files cut, doubled and changed at every byte: FileRefused is all that may be raised."""

import gzip
from collections.abc import Iterator

import polars as pl
import pytest
import zstandard

from etl_assets.core.file_formats import Compression, Csv, FileFormat, JsonLines
from etl_assets.sources.files.reading.read import read_blocks
from etl_assets.sources.files.reading.results import BadLine, FileRefused, Limits
from etl_assets_tests.files.reading import col

COLUMNS = [col("id", pl.Int32()), col("at", pl.Datetime("us")), col("note")]
CSV = (
    b"\xef\xbb\xbfid,at,note\r\n"
    b'1,2024-01-31 10:11:12,"one, ""two""\nthree"\r\n'
    b"+2,,\n"
    b"x,2024-02-30,caf\xc3\xa9\n"
    b'3,2024-01-31T10:11,""\n'
)
JSON = (
    b'{"id":1,"at":"2024-01-31 10:11","note":"a\\n\\u00e9"}\n{"note": null, "id":2}\n{"id":"3"}\n'
)
PUT = [b'"', b"\n", b"\r", b"\0", b",", b"\xff", b"{", b"\\"]
FILES: list[tuple[FileFormat, bytes]] = [(Csv(), CSV), (JsonLines(), JSON)]


def variants(content: bytes) -> Iterator[bytes]:
    for place in range(len(content) + 1):
        before, after = content[:place], content[place:]
        yield before
        yield before + b"\n"
        yield after
        yield before + PUT[place % len(PUT)] + after
        yield before + PUT[(place + 3) % len(PUT)] + after[1:]


def outcome(
    content: bytes, file_format: FileFormat, compression: Compression, size: int
) -> tuple[list[tuple[object, ...]], list[BadLine]] | str:
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    limits = Limits(block_bytes=size, record_bytes=60)
    reading = read_blocks(chunks, file_format, compression, COLUMNS, limits, missing="null")
    rows: list[tuple[object, ...]] = []
    bad: list[BadLine] = []
    try:
        for block in reading:
            rows += block.frame.rows()
            bad += block.bad
    except FileRefused as refused:
        return "refused" if refused.reason else ""
    assert reading.summary.records == len(rows) + len(bad)
    return rows, bad


@pytest.mark.parametrize(("file_format", "content"), FILES, ids=["csv", "json"])
def test_f6_f9_f10_f11_any_variant_is_the_same_however_blocks_are_cut(
    file_format: FileFormat, content: bytes
) -> None:
    for variant in variants(content):
        small = outcome(variant, file_format, Compression.NONE, 30)
        large = outcome(variant, file_format, Compression.NONE, 10_000)
        assert small == large, variant
        if not variant.endswith(b"\n") and variant:
            assert small == "refused"


@pytest.mark.thorough
@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_f7_packed_files_cut_or_changed_anywhere_are_refused_or_whole(
    compression: Compression,
) -> None:
    is_gzip = compression is Compression.GZIP
    zstd = zstandard.ZstdCompressor(write_checksum=True)
    packed = gzip.compress(CSV) if is_gzip else zstd.compress(CSV)
    whole = outcome(packed, Csv(), compression, 13)
    assert whole == outcome(CSV, Csv(), Compression.NONE, 100)
    for place in range(len(packed)):
        assert outcome(packed[:place], Csv(), compression, 13) == "refused"
        for put in (b"\0", b"\xff", bytes([packed[place] ^ 1])):
            changed = packed[:place] + put + packed[place + 1 :]
            assert outcome(changed, Csv(), compression, 13) in ("refused", whole)
