"""Which days the rows of an object are of, where a column of the file says it.

It is counted by reading the object, once for each content: the index keeps it (`indexing.py`). The
rows of one day are read in `row_reads.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Compression, compression_of
from etl_assets.core.file_index import ObjectDays
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.frames import DAY
from etl_assets.core.partitions import WHOLE
from etl_assets.core.rows import payloads_of
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.declared import columns_of_files, files_of
from etl_assets.sources.files.listing import Listing, arrival_of
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.results import LINE, BadLine, Block, FileRefused, Limits

_READER = 1
"""To be raised when the reading of files changes so that a record has another day, or none."""


def ways_of_reading(table: LayerTable) -> Callable[[str], str]:
    """A digest of what the spec says of reading the object of a key: by another one it is read
    again."""
    spec, found = files_of(table), dict[Compression, str]()

    def read_as(key: str) -> str:
        packed = spec.compression or compression_of(key)
        if packed not in found:
            said = [_READER, spec.format, packed, spec.missing, table.partition_column]
            said += [table.overflow_column is not None]
            found[packed] = fingerprint([*map(repr, said), *map(_meaning, columns_of_files(table))])
        return found[packed]

    return read_as


def _meaning(column: Column) -> str:
    """What decides whether a text is a value of the column, and which."""
    return repr(replace(column, description="", rules=(), unit=None, max_null_ratio=None))


def dated(block: Block, table: LayerTable, raw_characters: int) -> Block:
    """The block with the column DAY, and the rows that have no day among the bad ones.

    A day is one from 0001-01-02 to 9999-12-31: years beyond have no name, and the first of all days
    stands for none.
    """
    column = table.day_column
    frame = block.frame.with_columns(pl.col(column).cast(pl.Date).alias(DAY))
    has_day = pl.col(DAY).is_between(WHOLE, date.max, closed="right").fill_null(value=False)
    without = frame.filter(~has_day)
    if not without.height:
        return replace(block, frame=frame)
    # As text: Python has no date beyond the year 9999.
    texts = payloads_of(without.drop(LINE, DAY).with_columns(pl.col(column).cast(pl.String)))
    reasons = [
        "there is none" if is_missing else "it is none that a table can have"
        for is_missing in without[column].is_null()
    ]
    bad = [
        BadLine(line, column, f"no day ({reason})", text[:raw_characters])
        for line, reason, text in zip(without[LINE], reasons, texts, strict=True)
    ]
    return Block(frame.filter(has_day), [*block.bad, *bad])


def count_days(
    stored: StoredObject, blocks: Iterable[Block], table: LayerTable, limits: Limits
) -> ObjectDays:
    """Read the object to its end; one that is refused has no rows. Raises what reading raises."""
    rows, without, how = Counter[date](), 0, ways_of_reading(table)(stored.key)
    try:
        for block in blocks:
            found = dated(block, table, limits.raw_characters)
            rows.update(dict(found.frame.group_by(DAY).len().iter_rows()))
            without += len(found.bad)
    except FileRefused:
        return ObjectDays(stored.identity, how)
    return ObjectDays(stored.identity, how, dict(rows), without)


def days_of(
    objects: Iterable[StoredObject], known: Mapping[str, Sequence[ObjectDays]], table: LayerTable
) -> dict[str, ObjectDays]:
    """What is known of exactly these contents, read as the spec says it now; by key."""
    found, read_as = {}, ways_of_reading(table)
    for stored in objects:
        for days in known.get(stored.key, ()):
            if days.identity == stored.identity and days.read_as == read_as(stored.key):
                found[stored.key] = days
    return found


def parts_of(stored: StoredObject, days: ObjectDays) -> set[date]:
    """The days that the object is part of: those of its rows, and that of its bad lines.

    One that has neither is part of the day on which it arrived, and so are bad lines of an object
    none of whose rows has a day.
    """
    return set(days.rows) or {arrival_of(stored)}


def on_their_days(listing: Listing, known: Mapping[str, ObjectDays]) -> Listing:
    """The listing with the objects that are known on their days; the others stay `unread`."""
    parts: dict[date, list[StoredObject]] = {}
    rows, unread = Counter[date](), []
    for stored in listing.unread:
        days = known.get(stored.key)
        if days is None:
            unread.append(stored)
            continue
        for part in parts_of(stored, days):
            parts.setdefault(part, []).append(stored)
        rows.update(days.rows)
    return replace(listing, parts=parts, unread=unread, rows=dict(rows))
