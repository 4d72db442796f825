"""The reader's outcome of a hostile file beside the oracle's, and each difference in words."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from etl_assets.core.file_formats import Csv, JsonLines, Parquet
from etl_assets.sources.files.reading.read import read_blocks
from etl_assets.sources.files.reading.results import (
    LINE,
    OVERFLOW,
    BadLine,
    FileRefused,
    Limits,
    Summary,
)
from etl_assets_tests.files.hostile.cases import RAW_CHARACTERS, Case
from etl_assets_tests.files.hostile.oracle.csv_text import read_csv
from etl_assets_tests.files.hostile.oracle.json_text import number, read_json
from etl_assets_tests.files.hostile.oracle.outcomes import Bad, Loaded, Refusal, Row
from etl_assets_tests.files.hostile.oracle.packing import plain_of
from etl_assets_tests.files.hostile.oracle.parquet_table import read_table

_SMALL = ((7, 30), (64, 5), (300, 100), (30, 1))
_LARGE = (1 << 20, 1 << 20)


def sizes(case: Case) -> tuple[tuple[int, int], tuple[int, int]]:
    """Bytes of a block and of a chunk: records are cut nowhere, and in many places."""
    return _LARGE, _SMALL[case.number % len(_SMALL)]


LINE_REASONS = {
    "fields": r"^has \d+ fields?, not \d+$",
    "header again": "^repeats the header$",
    "nul": "NUL",
    "bare return": "carriage return that ends no line",
    "quote amid": "quote amid a field",
    "text behind": "text after a closing quote",
    "open quote": "quote that is not closed; all lines up to the end",
    "too long and open quote": "longer than .* bytes, and has a quote that is not closed",
    "too long": r"^is longer than [\d,]+ bytes$",
    "value": "^is (no|none of) ",
    "empty": "^is empty, and the contract's column is not nullable$",
    "no object": "^is no JSON object",
    "key twice": "has a key twice",
    "too deep": "nested too deeply",
    "type": "^has a JSON .*, and the column is ",
}
FILE_REASONS = {
    "encoding": "not in its declared encoding",
    "no line end": "no line end",
    "no header": "has no header",
    "header open quote": "has no header",
    "name twice": "are both named",
    "lacks a column": "lacks columns that the contract needs",
    "packing": "damaged|is cut|what is no",
    "bomb": "expands to more than",
    "parquet": "Parquet is damaged|rows?, but its footer says",
    "footer": "cannot hold without loss",
}

Outcome = Loaded | Refusal
_READERS: dict[type, Callable[[Case], Loaded]] = {
    Csv: lambda case: read_csv(case, plain_of(case)),
    JsonLines: lambda case: read_json(case, plain_of(case)),
    Parquet: read_table,
}


@dataclass(frozen=True)
class Found:
    """A file as the platform reads it."""

    rows: list[Row]
    bad: list[BadLine]
    summary: Summary


def expected(case: Case) -> Outcome:
    """What the oracle says of a file."""
    try:
        return _READERS[type(case.format)](case)
    except Refusal as refusal:
        return refusal


def found_in(case: Case, block_bytes: int, chunk: int) -> Found | str:
    """The file as the platform reads it, or why it refuses it."""
    content = case.content
    limits = {"record_bytes": case.record_bytes, "raw_characters": RAW_CHARACTERS, **case.limits}
    reading = read_blocks(
        [content[start : start + chunk] for start in range(0, len(content), chunk)],
        case.format,
        case.compression,
        case.columns,
        Limits(block_bytes=block_bytes, batch_rows=block_bytes, **limits),
        overflow=case.overflow,
        missing=case.missing,
    )
    names = [column.name for column in case.columns]
    found = Found([], [], reading.summary)
    try:
        for block in reading:
            assert [column.dtype for column in case.columns] == block.frame.dtypes[: len(names)]
            for row in block.frame.rows(named=True):
                values = tuple(row[name] for name in names)
                found.rows.append(Row(row[LINE], values, _overflow(row.get(OVERFLOW))))
            found.bad.extend(block.bad)
    except FileRefused as refused:
        return refused.reason
    return found


def _overflow(written: str | None) -> dict[str, Any] | None:
    if written is None:
        return None
    read: dict[str, Any] = json.loads(written, parse_int=number, parse_float=number)
    return read


def difference(case: Case, wanted: Outcome, found: Found | str) -> str | None:
    """What the platform does otherwise than the oracle says, None if nothing."""
    if case.may_be_any:
        return None
    if isinstance(found, str):
        if case.may_be_refused:
            return None
        if isinstance(wanted, Loaded):
            return f"is refused ({found}), but {wanted}"
        known = _sentences(wanted.whys)
        if any(re.search(reason, found) for reason in known):
            return None
        return f"is refused ({found}), but for {set(wanted.whys)}"
    if isinstance(wanted, Refusal):
        return f"is not refused for {set(wanted.whys)}, but {found}"
    return (
        _of_rows(wanted.rows, found.rows)
        or _of_bad(wanted.bad, found.bad, is_text=not isinstance(case.format, Parquet))
        or _of_sums(wanted, found.summary)
    )


def _sentences(whys: frozenset[str]) -> list[str]:
    """The platform's sentences for them. What was read before may be wrong, too."""
    if whys & {"encoding", "no line end", "packing", "bomb"}:
        return [*FILE_REASONS.values(), "its header "]
    found = [FILE_REASONS[why] for why in whys if why in FILE_REASONS]
    headers = [why.removeprefix("header ") for why in whys - set(FILE_REASONS)]
    return found + ["^its header .*" + LINE_REASONS[why].strip("^") for why in headers]


def _of_rows(wanted: list[Row], found: list[Row]) -> str | None:
    for want, have in zip(wanted, found, strict=False):
        if repr(_shown(want)) != repr(_shown(have)):
            return f"has the row {have}, not {want}"
    if len(wanted) != len(found):
        lines = {row.line for row in wanted} ^ {row.line for row in found}
        return f"has {len(found)} rows, not {len(wanted)}: look at the lines {sorted(lines)}"
    return None


def _shown(row: Row) -> object:
    """Values whose texts are the same only if they are: NaN, -0.0 and types among them."""
    overflow = None if row.overflow is None else sorted(row.overflow.items())
    return row.line, [_plain(value) for value in row.values], overflow


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return "decimal", value.normalize(Context(prec=100)) if value else 0
    return value


def _of_bad(wanted: list[Bad], found: list[BadLine], *, is_text: bool) -> str | None:
    for want, have in zip(wanted, found, strict=False):
        if (want.line, want.lines) != (have.line, have.lines):
            return f"sets aside {have}, not {want}"
        if (have.column is None) != (not want.columns):
            return f"blames {have}, not {want}"
        if have.column is not None and have.column not in want.columns:
            return f"blames {have}, not {want}"
        reasons = [LINE_REASONS[why] for why in want.why.split(" or ")]
        if not any(re.search(reason, have.reason) for reason in reasons):
            return f"says {have}, not {want}"
        if is_text and have.raw.rstrip("\r\n") != want.raw.rstrip("\r\n"):
            return f"keeps {have.raw!r}, not {want.raw!r}"
    if len(wanted) != len(found):
        lines = {bad.line for bad in wanted} ^ {bad.line for bad in found}
        return f"has {len(found)} bad lines, not {len(wanted)}: look at {sorted(lines)}"
    return None


def _of_sums(wanted: Loaded, summary: Summary) -> str | None:
    want = (len(wanted.rows), len(wanted.bad), wanted.lines, wanted.extra, wanted.missing)
    have = (summary.good, summary.bad, summary.lines, summary.extra, summary.missing)
    return None if want == have else f"sums up {have}, not {want}"
