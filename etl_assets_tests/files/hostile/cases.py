"""A hostile file: its bytes, and what the spec of its table declares.

What becomes of it is said by the oracle, and not here.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Compression, Csv, FileFormat, Texts

RECORD_BYTES = 400
"""Short, so that records beyond it are small files."""

RAW_CHARACTERS = 60


@dataclass(frozen=True)
class Case:
    """One file. `limits` are those of `Limits` that matter; `kind` and `number` find it again.

    `written` is what an undamaged Parquet file has; None means that nothing can be read of it.
    With `may_be_refused` it may be refused or read as it was written, and nothing else; with
    `may_be_any` only a crash is wrong.
    """

    content: bytes
    columns: tuple[Column, ...]
    format: FileFormat = field(default_factory=Csv)
    compression: Compression = Compression.NONE
    missing: Literal["refuse", "null"] = "refuse"
    overflow: bool = False
    limits: dict[str, int] = field(default_factory=dict)
    written: pa.Table | None = None
    may_be_refused: bool = False
    may_be_any: bool = False
    kind: str = ""
    number: int = 0

    @property
    def record_bytes(self) -> int:
        return self.limits.get("record_bytes", RECORD_BYTES)

    def of(self, content: bytes, **changes: Any) -> "Case":
        """The same declaration with another content."""
        return replace(self, content=content, **changes)


def of_column(
    name: str,
    dtype: pl.DataType | None = None,
    *,
    nullable: bool = True,
    text: Texts | None = None,
    **more: Any,
) -> Column:
    """A column of a contract; text, if no dtype is given."""
    return Column(name, dtype or pl.String(), nullable, "", text=text, **more)


def seeded(kind: str, number: int) -> Random:
    """The same numbers in each process for the same kind and number."""
    return Random(f"{kind} {number}")
