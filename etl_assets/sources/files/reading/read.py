"""The one entry to the contents of files: bytes of any declared format to blocks of rows.

Where the bytes come from, and what becomes of bad lines, does not belong here.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.file_formats import Compression, Csv, FileFormat, Parquet
from etl_assets.sources.files.reading.csv_blocks import CsvReading
from etl_assets.sources.files.reading.encoding import in_utf8
from etl_assets.sources.files.reading.expand import expanded
from etl_assets.sources.files.reading.json_lines import JsonReading
from etl_assets.sources.files.reading.parquet import ParquetReading
from etl_assets.sources.files.reading.results import LINE, OVERFLOW, Block, Limits, Summary
from etl_assets.sources.files.reading.values import check_readable

_LIMITS = Limits()


class Reading(Iterator[Block]):
    """The blocks of a file; `summary` is complete when they have all been taken."""

    def __init__(self, blocks: Iterator[Block], summary: Summary) -> None:
        self.summary = summary
        self._blocks = blocks

    def __next__(self) -> Block:
        block = next(self._blocks)
        while not block.frame.height and not block.bad:  # of blank lines and comments
            block = next(self._blocks)
        self.summary.good += block.frame.height
        self.summary.bad += len(block.bad)
        return block


def read_blocks(
    content: Iterable[bytes],
    file_format: FileFormat,
    compression: Compression,
    columns: Sequence[Column],
    limits: Limits = _LIMITS,
    *,
    overflow: bool = False,
    missing: Literal["refuse", "null"] = "refuse",
    folder: Path | None = None,
) -> Reading:
    """The rows of a file in the contract's `columns`, in blocks, in the file's order.

    `content` is the file's bytes in chunks of any size. With `overflow`, frames have the column
    OVERFLOW. `missing="null"` lets a file lack columns that are nullable. A Parquet file is put
    into `folder` first (the system's own for temporary files, if None).

    Iterating raises FileRefused, and no other error for any content: then blocks that came before
    must be thrown away. Raises ContractMismatch for columns that cannot be read from such a file,
    and DiskFull where the folder has no room.
    """
    taken = [column.name for column in columns if column.name in (LINE, OVERFLOW)]
    if taken or not columns:
        raise ContractMismatch(
            f"A file's rows have the column {taken[0]} already."
            if taken
            else "There is no column.",
            "Correct the columns of the table's contract.",
        )
    summary = Summary()
    if isinstance(file_format, Parquet):
        if compression is not Compression.NONE:
            raise ContractMismatch(
                f"A Parquet file is not packed by {compression} as a whole.",
                "Declare no compression in the table's spec, or the format that the file has.",
            )
        parquet = ParquetReading(
            columns, limits, summary, overflow=overflow, missing_as_null=missing == "null"
        )
        return Reading(parquet.blocks(content, folder), summary)
    check_readable(columns)
    encoding = file_format.encoding if isinstance(file_format, Csv) else "utf-8"
    text = in_utf8(expanded(content, compression, limits), encoding)
    if isinstance(file_format, Csv):
        csv = CsvReading(
            file_format,
            columns,
            limits,
            summary,
            overflow=overflow,
            missing_as_null=missing == "null",
        )
        return Reading(csv.blocks(text), summary)
    lines = JsonReading(columns, limits, summary, overflow=overflow)
    return Reading(lines.blocks(text), summary)
