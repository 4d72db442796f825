"""What comes out of a file that is read: blocks of rows, bad lines, or a refusal of the whole file.

How any format is read is in the modules beside this one; what is done with bad lines is decided in
the pipeline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from etl_assets.core.errors import SourceError
from etl_assets.core.wording import count_of

LINE = "_line"
"""Int64: the physical line, from 1, on which a record begins; in Parquet the number of its row."""

OVERFLOW = "_overflow"
"""String: a JSON object of the values that the contract has no column for; null where none are."""

MIB = 1 << 20


class FileRefused(SourceError):
    """The file cannot be trusted as a whole: what was read of it already must be thrown away."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The file is refused: {reason}.",
            "Have it delivered again, or correct the format that the table's spec declares.",
        )
        self.reason = reason

    def __reduce__(self) -> tuple[type["FileRefused"], tuple[str]]:  # type: ignore[override]
        return type(self), (self.reason,)


@dataclass(frozen=True)
class Limits:
    """The bounds of reading, so that no file can exhaust the memory or the disk.

    `block_bytes`: expanded bytes that are made into one block. `record_bytes`: of one record or
    line; a longer one is bad. `raw_characters`: of a bad line that are kept. `expanded_bytes`: of a
    whole file. `ratio`: expanded to packed bytes, counts once `ratio_from_bytes` are expanded.
    `row_group_bytes`: of a Parquet row group, uncompressed. `batch_rows`: rows of a Parquet block.
    """

    block_bytes: int = 8 * MIB
    record_bytes: int = 16 * MIB
    raw_characters: int = 2_000
    expanded_bytes: int = 64 * 1024 * MIB
    ratio: int = 200
    ratio_from_bytes: int = 256 * MIB
    row_group_bytes: int = 1024 * MIB
    batch_rows: int = 65_536


def too_long(limits: Limits) -> str:
    """The reason of a record that is beyond the limit."""
    return f"is longer than {count_of(limits.record_bytes, 'byte')}"


@dataclass(frozen=True)
class BadLine:
    """A record that is not loaded.

    `line` is where it begins (see LINE) and `lines` how many physical lines it takes. `column` is
    the first of the contract's that is at fault, None where it is the record as a whole. `reason`
    holds no values; `raw` is content of the file: its text, cut at `Limits.raw_characters`.
    """

    line: int
    column: str | None
    reason: str
    raw: str
    lines: int = 1


@dataclass(frozen=True)
class Block:
    """Some records of a file, in its order.

    `frame` has the contract's columns in their dtypes, LINE, and OVERFLOW where it was asked for.
    """

    frame: pl.DataFrame
    bad: Sequence[BadLine] = ()


@dataclass
class Summary:
    """What was found in a file; complete when the last block has been taken.

    `names` are the columns of the file in its order (of JSON Lines: in the order in which keys
    appeared), `extra` those that the contract does not have, `missing` those of the contract that
    the file does not have. `lines` counts physical lines.
    """

    good: int = 0
    bad: int = 0
    lines: int = 0
    names: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def records(self) -> int:
        """All records, good and bad."""
        return self.good + self.bad
