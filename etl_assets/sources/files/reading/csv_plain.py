"""The fast road through CSV: Arrow parses a whole block of records that are plain.

Which blocks are plain is decided in `csv_framing.py`.
"""

import codecs

import numpy as np
import pyarrow as pa
from pyarrow import csv

from etl_assets.core.file_formats import Csv
from etl_assets.sources.files.reading.assembly import Rows, raw_text, with_bad, wrong_number
from etl_assets.sources.files.reading.csv_framing import Framed
from etl_assets.sources.files.reading.encoding import refuse_other_than_utf8
from etl_assets.sources.files.reading.header import Header
from etl_assets.sources.files.reading.results import BadLine, Block, Limits

LOST_BY_ARROW = codecs.BOM_UTF8
"""Arrow drops it at the begin of a block; amid a file it is part of a value."""


def plain_block(
    data: bytes, first_line: int, frame: Framed, header: Header, dialect: Csv, limits: Limits
) -> Block | None:
    """The block of the records in `frame`, the first of which is in line `first_line`.

    Records with too few or too many fields are set aside. None where Arrow would find other records
    than the frame has, or another text. Raises FileRefused for what is not UTF-8.
    """
    if data.startswith(LOST_BY_ARROW):
        return None
    view = memoryview(data)[: frame.size]
    refuse_other_than_utf8(view, first_line)
    ragged: dict[int, int] = {}

    def set_aside(row: csv.InvalidRow) -> str:
        ragged[row.number - 1] = row.actual_columns
        return "skip"

    try:
        table = csv.read_csv(
            pa.BufferReader(view),
            read_options=csv.ReadOptions(
                column_names=header.places,
                block_size=frame.size + 1,
                use_threads=False,  # else rows have no numbers
            ),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                newlines_in_values=dialect.quote is not None,
                ignore_empty_lines=len(header.names) > 1,
                invalid_row_handler=set_aside,
            ),
            convert_options=csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(header.places, pa.large_string()),
                include_columns=header.wanted,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=dialect.quoted_empty == "null",
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(ragged) != len(frame.starts):
        return None

    def raw(place: int) -> tuple[str, int]:
        line = data[frame.starts[place] : frame.ends[place]]
        return raw_text(line, limits), 1 + line.count(b"\n")

    lines = first_line + frame.lines
    bad = []
    for place, fields in ragged.items():
        text, spans = raw(place)
        reason = wrong_number(fields, len(header.names))
        bad.append(BadLine(int(lines[place]), None, reason, text, spans))
    kept = np.delete(np.arange(len(lines)), list(ragged))
    found = {place: table.column(place) for place in header.wanted}
    block = header.block(found, Rows(lines[kept], lambda place: raw(kept[place])))
    return with_bad(block, bad)
