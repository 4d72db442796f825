"""What is guessed of a column from a sample of its values, and why.

The rules for text are in `texts.py`, `numbers.py` and `moments.py`; how a guess is written down is
`scaffold/files.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Texts
from etl_assets.sources.files.reading.values import values_of


@dataclass(frozen=True)
class Guess:
    """A column of the files: `notes` are sentences on what was guessed and what a wrong one loses.

    `text` is None where the reader's defaults do; `is_unique` says that no value of the sample came
    twice and none was null.
    """

    name: str
    dtype: pl.DataType
    nullable: bool = False
    text: Texts | None = None
    logical: str | None = None
    notes: Sequence[str] = ()
    is_unique: bool = False

    @property
    def column(self) -> Column:
        """The column as its contract will declare it."""
        return Column(
            self.name, self.dtype, self.nullable, "", text=self.text, logical=self.logical
        )

    def noting(self, *notes: str) -> "Guess":
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True)
class Doubt:
    """Why a column stays text: more than one reading is possible, or the only one would lose."""

    why: str


@dataclass(frozen=True)
class Values:
    """The different texts of a column that are neither null nor empty, without padding."""

    name: str
    texts: pl.Series
    options: Texts = field(default_factory=Texts)

    def all_match(self, pattern: str) -> bool:
        """Whether the pattern describes every text as a whole."""
        return bool(self.texts.str.contains(f"^(?:{pattern})$").all())

    def any_match(self, pattern: str) -> bool:
        """Whether the pattern describes one of the texts as a whole."""
        return bool(self.texts.str.contains(f"^(?:{pattern})$").any())

    def are_all(self, dtype: pl.DataType, options: Texts | None = None) -> bool:
        """Whether the platform's own reader takes every text for a value of the dtype."""
        column = Column(self.name, dtype, False, "", text=options)
        texts = self.texts.rename(self.name).to_arrow()
        found = values_of(_chunked(texts), column)
        return found.failed is None and not found.values.null_count()


def _chunked(texts: object) -> object:
    import pyarrow as pa

    return pa.chunked_array([pa.array(texts).cast(pa.large_string())])
