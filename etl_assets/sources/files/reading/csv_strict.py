"""The slow road through CSV: a block whose bad records are set aside one by one.

How a record is found in the text is in `csv_records.py`.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from etl_assets.sources.files.reading.assembly import Rows, cut, with_bad, wrong_number
from etl_assets.sources.files.reading.csv_records import Record, Records
from etl_assets.sources.files.reading.encoding import refuse_other_than_utf8
from etl_assets.sources.files.reading.header import Header
from etl_assets.sources.files.reading.results import BadLine, Block, Limits

REPEATED = "repeats the header"


@dataclass(frozen=True)
class _Placed:
    record: Record
    line: int
    text: str


def whole_lines(data: bytes, first_line: int) -> str:
    """The whole lines at the begin of `data`; raises FileRefused for what is not UTF-8."""
    lines = memoryview(data)[: data.rfind(b"\n") + 1]
    refuse_other_than_utf8(lines, first_line)
    return str(lines, "utf-8")


def strict_block(
    data: bytes, first_line: int, header: Header, records: Records, limits: Limits
) -> tuple[Block, int]:
    """A block of the records at the begin of `data`, and how many bytes they take.

    That is none where the first record is too long, or has a quote that is open at the end.
    """
    text = whole_lines(data, first_line)
    good: list[_Placed] = []
    bad: list[BadLine] = []
    place, line = 0, first_line
    for record in records.of(text):
        own = text[record.start : record.end]
        if _is_too_long(own, limits):
            break
        own = own.removesuffix("\r")
        spans = 1 + own.count("\n")
        reason = _reason(record, own, header)
        if reason is not None:
            bad.append(BadLine(line, None, reason, cut(own, limits), spans))
        elif record.kind == "record" or (record.kind == "blank" and len(header.names) == 1):
            good.append(_Placed(record, line, own))
        place, line = record.end + 1, line + spans
    block = with_bad(_assembled(good, header, limits), bad)
    return block, len(text[:place].encode())


def _reason(record: Record, text: str, header: Header) -> str | None:
    """Why a record is bad, None if it is not."""
    if record.reason is not None or record.kind == "comment":
        return record.reason
    if text == header.line:
        return REPEATED
    found, wanted = len(record.fields), len(header.names)
    if record.kind == "record" and found != wanted:
        return wrong_number(found, wanted)
    return None


def _is_too_long(text: str, limits: Limits) -> bool:
    limit = limits.record_bytes
    return 4 * len(text) > limit and len(text.encode()) > limit


def _assembled(good: list[_Placed], header: Header, limits: Limits) -> Block:
    found = {}
    for place in header.wanted:
        # The one field of a blank line, in a file of one column, is empty.
        fields = [(placed.record.fields or [None])[int(place)] for placed in good]
        found[place] = pa.chunked_array([pa.array(fields, pa.large_string())])

    def raw(place: int) -> tuple[str, int]:
        own = good[place].text
        return cut(own, limits), 1 + own.count("\n")

    return header.block(found, Rows(np.array([p.line for p in good], np.int64), raw))
