"""Columns of text, as any text format yields them, to a block: good rows, and the bad ones apart.

How a format's records become columns of text does not belong here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.core.wording import count_of
from etl_assets.sources.files.reading.csv_framing import Places
from etl_assets.sources.files.reading.results import LINE, OVERFLOW, BadLine, Block, Limits
from etl_assets.sources.files.reading.values import EMPTY, Values, values_of


@dataclass(frozen=True)
class Rows:
    """Where the rows of a block are in their file.

    `lines` has the first line of each; `raw` gives the text of one by its place in the block, cut
    at the limit, and how many lines it takes.
    """

    lines: Places
    raw: Callable[[int], tuple[str, int]]


def raw_text(data: bytes, limits: Limits) -> str:
    """The text of a bad record's bytes, cut at the limit."""
    return cut(data[: 4 * limits.raw_characters].decode("utf-8", "ignore"), limits)


def cut(text: str, limits: Limits) -> str:
    """The text of a bad record, cut at the limit."""
    return text[: limits.raw_characters].removesuffix("\r")


def wrong_number(fields: int, wanted: int) -> str:
    """The reason of a record with too few or too many fields (F9)."""
    return f"has {count_of(fields, 'field')}, not {wanted}"


def with_bad(block: Block, bad: Sequence[BadLine]) -> Block:
    """The block with more bad lines, in the file's order."""
    if not bad:
        return block
    return replace(block, bad=sorted([*block.bad, *bad], key=attrgetter("line")))


def assembled(
    found: Mapping[str, pa.ChunkedArray],
    columns: Sequence[Column],
    rows: Rows,
    overflow: pl.Series | None = None,
) -> Block:
    """A block of the rows in `found`, text by column; a column that it does not have is null.

    `overflow` is the column OVERFLOW, None where it was not asked for.
    """
    nothing = pa.chunked_array([pa.nulls(len(rows.lines), pa.large_string())])
    read = {column.name: values_of(found.get(column.name, nothing), column) for column in columns}
    return block_of(read, rows, overflow)


def block_of(read: Mapping[str, Values], rows: Rows, overflow: pl.Series | None) -> Block:
    """A block of values in the contract's dtypes, without the rows that have a bad one."""
    frame = pl.DataFrame([values.values for values in read.values()])
    frame = frame.with_columns(pl.Series(LINE, rows.lines, dtype=pl.Int64))
    if overflow is not None:
        frame = frame.with_columns(overflow.alias(OVERFLOW))
    reasons = _reasons(read)
    if not reasons:
        return Block(frame)
    is_good = np.ones(frame.height, np.bool_)
    is_good[list(reasons)] = False
    bad = []
    for place in sorted(reasons):
        column, reason = reasons[place]
        raw, lines = rows.raw(place)
        bad.append(BadLine(int(rows.lines[place]), column, reason, raw, lines))
    return Block(frame.filter(pl.Series(is_good)), bad)


def _reasons(read: Mapping[str, Values]) -> dict[int, tuple[str, str]]:
    """The first column at fault and the reason, by the place of each bad row."""
    reasons: dict[int, tuple[str, str]] = {}
    for name, values in read.items():
        for at_fault, reason in ((values.failed, values.reason), (values.empty, EMPTY)):
            if at_fault is not None:
                for place in at_fault.arg_true().to_list():
                    reasons.setdefault(place, (name, reason))
    return reasons
