"""Where the records of plain CSV begin and end, found over whole blocks of bytes at once.

Plain means that every reader would see the same records: quotes stand at the edges of fields, no
NUL byte, no bare carriage return, no comment. What is not plain is read in `csv_records.py`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from etl_assets.core.file_formats import Csv

Places: TypeAlias = npt.NDArray[np.int64]
_LF, _CR = 10, 13


@dataclass(frozen=True)
class Framed:
    """The whole records at the begin of a block; blank lines are none, if there are many columns.

    `size`: how many bytes they take. `starts` and `ends`: of each record, without its line feed.
    `lines`: how many line feeds come before each record; `line_feeds`: before `size`.
    """

    size: int
    starts: Places
    ends: Places
    lines: Places
    line_feeds: int


def framed(data: bytes, dialect: Csv, columns: int, record_bytes: int, stop: int) -> Framed | None:
    """The whole records at the begin of `data`, which begins with a record.

    They end before the place `stop`, and before what is not plain or a record of more than
    `record_bytes`; None where the first record has that.
    """
    signs = np.frombuffer(data, np.uint8)
    line_feeds = np.flatnonzero(signs == _LF)
    stops = [stop, *_place(data.find(b"\0"))]
    ends, quotes = line_feeds, None
    if dialect.quote is not None and dialect.quote.encode() in data:
        quotes = np.flatnonzero(signs == ord(dialect.quote))
        stops += _quotes_amid_fields(signs, quotes, dialect)
        ends = line_feeds[~_is_quoted(line_feeds, quotes)]
    if b"\r" in data:
        stops += _bare_returns(signs, quotes)
    starts = np.concatenate([np.zeros(1, np.int64), ends + 1])
    if dialect.comment is not None:
        begun = starts[starts < len(data)]
        stops += begun[signs[begun] == ord(dialect.comment)][:1].tolist()
    stops += starts[np.append(ends, len(data)) - starts > record_bytes][:1].tolist()
    whole = int(np.searchsorted(ends, min(stops)))
    if not whole and min(stops) < len(data):
        return None
    size, starts, ends = int(starts[whole]), starts[:whole], ends[:whole]
    before = np.arange(len(starts)) if quotes is None else np.searchsorted(line_feeds, starts)
    if columns > 1:
        is_blank = (ends == starts) | ((ends == starts + 1) & (signs[starts] == _CR))
        if is_blank.any():
            starts, ends, before = starts[~is_blank], ends[~is_blank], before[~is_blank]
    return Framed(size, starts, ends, before, int(np.searchsorted(line_feeds, size)))


def _is_quoted(places: Places, quotes: Places) -> npt.NDArray[np.bool_]:
    quotes_before: Places = np.searchsorted(quotes, places)
    return (quotes_before & 1).astype(np.bool_)


def _quotes_amid_fields(signs: npt.NDArray[np.uint8], quotes: Places, dialect: Csv) -> list[int]:
    """The first quote that neither opens nor closes a field, nor is half of a doubled one in it."""
    quote, delimiter = ord(dialect.quote or ""), ord(dialect.delimiter)
    opening, closing = quotes[0::2], quotes[1::2]
    opening, closing = opening[opening > 0], closing[closing < len(signs) - 1]
    before, after = signs[opening - 1], signs[closing + 1]
    opens = (before == delimiter) | (before == _LF) | (before == quote)
    closes = (after == delimiter) | (after == _LF) | (after == _CR) | (after == quote)
    return [*opening[~opens][:1].tolist(), *closing[~closes][:1].tolist()]


def _bare_returns(signs: npt.NDArray[np.uint8], quotes: Places | None) -> list[int]:
    """The first carriage return that is neither quoted nor before a line feed."""
    returns = np.flatnonzero(signs == _CR)
    returns = returns[returns < len(signs) - 1]
    bare = returns[signs[returns + 1] != _LF]
    if quotes is not None:
        bare = bare[~_is_quoted(bare, quotes)]
    return [int(place) for place in bare[:1]]


def _place(found: int) -> list[int]:
    return [found] if found >= 0 else []
