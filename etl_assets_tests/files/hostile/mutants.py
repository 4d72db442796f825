"""Faults that are put into the reader, one at a time, to show that the oracle finds them.

Each is a fault that a reader of files had, or could have.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from etl_assets.sources.files.reading import (
    assembly,
    csv_blocks,
    csv_plain,
    encoding,
    expand,
    json_lines,
    json_values,
    parquet,
    parquet_int96,
    read,
    values,
)
from etl_assets.sources.files.reading.results import Block

Mutate = Callable[[pytest.MonkeyPatch], None]


def strip_leading_zeros(patch: pytest.MonkeyPatch) -> None:
    def cleaned(texts: pl.Series, options: Any) -> pl.Series:
        return original(texts, options).str.replace("^0+([0-9])", "$1")

    original = values._cleaned
    patch.setattr(values, "_cleaned", cleaned)


def count_lines_from_zero(patch: pytest.MonkeyPatch) -> None:
    def framed(*given: Any) -> Any:
        found = original(*given)
        return found if found is None else replace(found, lines=found.lines - 1)

    original = csv_blocks.framed
    patch.setattr(csv_blocks, "framed", framed)


def drop_the_last_line(patch: pytest.MonkeyPatch) -> None:
    def without_last(*given: Any) -> Block:
        block = original(*given)
        return Block(block.frame.head(max(block.frame.height - 1, 1)), block.bad)

    original = assembly.block_of
    patch.setattr(assembly, "block_of", without_last)


def null_instead_of_bad(patch: pytest.MonkeyPatch) -> None:
    def lenient(*given: Any) -> Any:
        return replace(original(*given), failed=None)

    original = assembly.values_of
    patch.setattr(assembly, "values_of", lenient)


def accept_a_cut_file(patch: pytest.MonkeyPatch) -> None:
    def mended(content: Any, encoding: str) -> Iterator[bytes]:
        last = b"\n"
        for last in original(content, encoding):
            yield last
        if not last.endswith(b"\n"):
            yield b"\n"

    original = read.in_utf8
    patch.setattr(read, "in_utf8", mended)


def load_what_is_inside_of_an_open_quote(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(csv_blocks.Records, "is_open", lambda self, text: False)


def let_arrow_drop_a_mark(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(csv_plain, "LOST_BY_ARROW", b"no mark")


def keep_the_mark(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encoding, "_MARK", b"no mark")


def numbers_as_floats(patch: pytest.MonkeyPatch) -> None:
    def by_float(found: Any, column: Any) -> Any:
        if column.dtype.is_numeric() and not column.dtype.is_float():
            floats = pl.Series(found).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
            found = floats.cast(pl.String).to_arrow()
        return original(found, column)

    original = json_values.values_of
    patch.setattr(json_values, "values_of", by_float)


def take_a_key_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(json_lines, "_keys_in", lambda line: 0)


def read_one_member(patch: pytest.MonkeyPatch) -> None:
    def first(self: Any, packed: bytes) -> Iterator[bytes]:
        yield from original(self, packed)
        self.unused_data = b""

    original = expand._GzipMember.expand
    patch.setattr(expand._GzipMember, "expand", first)


def take_headers_of_gzip_apart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expand, "is_whole", lambda begin: True)


def verify_no_page(patch: pytest.MonkeyPatch) -> None:
    def unverified(path: str, unit: str = "us") -> pq.ParquetFile:
        return pq.ParquetFile(path, coerce_int96_timestamp_unit=unit)

    patch.setattr(parquet, "open_parquet", unverified)


def cut_nanoseconds_of_int96(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parquet_int96, "_exact", lambda moments, *others: moments)


MUTANTS: dict[str, tuple[Mutate, str]] = {
    mutate.__name__: (mutate, kind)
    for mutate, kind in (
        (strip_leading_zeros, "csv: leading zeros"),
        (count_lines_from_zero, "csv: good"),
        (drop_the_last_line, "csv: good"),
        (null_instead_of_bad, "csv: naughty values"),
        (accept_a_cut_file, "csv: no end of the last line"),
        (load_what_is_inside_of_an_open_quote, "csv: quotes that are never closed"),
        (let_arrow_drop_a_mark, "csv: byte order marks"),
        (keep_the_mark, "csv: byte order marks"),
        (numbers_as_floats, "json: numbers, as numbers and as text"),
        (take_a_key_twice, "json: keys twice"),
        (read_one_member, "packed: several members or frames"),
        (take_headers_of_gzip_apart, "packed: headers of gzip with a name, a comment and more"),
        (verify_no_page, "parquet: a page with a checksum that is wrong"),
        (cut_nanoseconds_of_int96, "parquet: moments of other units and zones, INT96 among them"),
    )
}
