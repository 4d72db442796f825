"""What tests of files' contents share: a contract's columns, and a file read to the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Compression, Csv, FileFormat, Texts
from etl_assets.sources.files.reading.read import read_blocks
from etl_assets.sources.files.reading.results import BadLine, FileRefused, Limits, Summary

SMALL = Limits(block_bytes=64, record_bytes=256, raw_characters=40)


def col(
    name: str, dtype: pl.DataType | None = None, *, nullable: bool = True, text: Texts | None = None
) -> Column:
    return Column(name, dtype or pl.String(), nullable, "", text=text)


@dataclass
class Read:
    """A file as it was read: its rows, bad lines and summary."""

    frame: pl.DataFrame
    bad: list[BadLine]
    summary: Summary

    @property
    def faults(self) -> list[tuple[int, str | None, str]]:
        return [(bad.line, bad.column, bad.reason) for bad in self.bad]

    @property
    def lines(self) -> list[int]:
        return self.frame["_line"].to_list()

    def rows(self) -> list[tuple[object, ...]]:
        return self.frame.drop("_line").rows()


def read(
    content: bytes,
    columns: Sequence[Column],
    file_format: FileFormat | None = None,
    *,
    size: int = 1 << 20,
    limits: Limits | None = None,
    overflow: bool = False,
    missing: str = "refuse",
) -> Read:
    """The whole file, in chunks of `size` bytes; the sums are checked on the way."""
    reading = read_blocks(
        [content[start : start + size] for start in range(0, len(content), size)],
        file_format or Csv(),
        Compression.NONE,
        columns,
        limits or Limits(),
        overflow=overflow,
        missing="null" if missing == "null" else "refuse",
    )
    schema = {column.name: column.dtype for column in columns} | {"_line": pl.Int64()}
    if overflow:
        schema["_overflow"] = pl.String()
    frames, bad = [pl.DataFrame(schema=schema)], []
    for block in reading:
        assert block.frame.schema == pl.Schema(schema)
        frames.append(block.frame)
        bad += block.bad
    frame, summary = pl.concat(frames), reading.summary
    assert (summary.good, summary.bad) == (frame.height, len(bad))
    assert summary.records == frame.height + len(bad)
    assert frame["_line"].is_sorted()
    return Read(frame, bad, summary)


def refusal(
    content: bytes, columns: Sequence[Column], file_format: FileFormat | None = None
) -> str:
    """Why the file is refused; fails where it is not."""
    try:
        found = read(content, columns, file_format)
    except FileRefused as refused:
        return refused.reason
    raise AssertionError(f"the file was read: {found}")
