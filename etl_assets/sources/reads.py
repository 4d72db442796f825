"""What a reading of a source gives: a day, or some rows, once each. A day is read by evidence, then
batches. How a moment of a source is opened is `base.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Container, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import polars as pl

from etl_assets.core.drift import DriftReport
from etl_assets.core.position import Position
from etl_assets.sources.found import DayPiece, Rejected, RejectedChanges


@dataclass(frozen=True)
class DayEvidence:
    """What the source itself says of the day, in the snapshot that the rows come from.

    `as_of` is that snapshot's moment on the source's clock (UTC), `row_count` the source's own
    count (None where rows are made, not copied, so that nothing can be counted), `query` the
    statement that reads the rows (no secrets), `drift` how its columns differ from the contract;
    `made_of` is the digest of the upstream loads that the rows are made of, if they are. `repeated`
    are the keys that stand in more than one row of the table, on whatever days of the platform
    (columns and dtypes of the contract's key); None where the source cannot tell. `moved` are the
    keys of objects that are of another day now, and may have been of this one before. `limits` are
    `Snapshot.limits`.
    """

    as_of: datetime
    row_count: int | None
    query: str = ""
    rejected: Rejected = field(default_factory=Rejected)
    drift: DriftReport | None = None
    made_of: str | None = None
    repeated: pl.DataFrame | None = None
    moved: Container[str] = ()
    limits: Sequence[str] = ()


@dataclass(frozen=True)
class Afterwards:
    """What is known of a day only when all of it was read: `row_count`, the source's own count, and
    `drift`, how its columns differ from the contract. None where the evidence has said it already.
    `look_ups` are surrogate keys that rows must not point to, by column; None where nobody looked.
    """

    row_count: int | None = None
    drift: DriftReport | None = None
    look_ups: Mapping[str, Sequence[int]] | None = None


class DayRead(ABC):
    """One day, read once: ask for the evidence first, then for the batches.

    `day` is the UTC day that is read, `WHOLE` for a table without days; `source` the value of
    `_source` in its rows.
    """

    day: date

    @property
    @abstractmethod
    def source(self) -> str:
        """The value of `_source` in its rows."""

    @abstractmethod
    def evidence(self) -> DayEvidence:
        """The day's evidence."""

    @abstractmethod
    def batches(self) -> Generator[DayPiece, None, None]:
        """The day's rows in bounded batches, in the contract's columns and dtypes.

        An empty day has no batch. A day of files tells which object its rows are of.
        """

    def still_there(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Those of the keys (the key's columns) that the source has at the same moment, in whatever
        form and on whatever day.

        Of a source that is not asked by keys nothing is known beyond the day's own rows: no key.
        """
        return keys.clear()

    def afterwards(self) -> Afterwards:
        """What is known once the last batch was taken; nothing more by default."""
        return Afterwards()


class Days(Protocol):
    """A moment that days can be read from."""

    def day(self, day: date) -> DayRead:
        """One day, not read yet."""
        ...


class DaySource(Protocol):
    """What a load needs: something that opens a moment. A `Source` is one."""

    def open(self) -> AbstractContextManager[Days]:
        """Raises SourceUnavailable, SourceError or ContractMismatch before any day is read."""
        ...


class ChangeRead(Protocol):
    """Some rows of an open snapshot, each of them once; read them before the snapshot is closed.

    `rows` is the source's own count, rejected rows included. `last` is the position of the last
    row, None if there is no row that has a position. `is_last` says that no row follows it.
    """

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def last(self) -> Position | None:
        """The position of the last row."""
        ...

    @property
    def is_last(self) -> bool:
        """Whether no row follows."""
        ...

    @property
    def query(self) -> str:
        """The statement or request that reads the rows (no secrets)."""
        ...

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """Frames in the contract's columns and dtypes; rows that have no day are among them."""
        ...

    def rejected(self) -> RejectedChanges:
        """The rows that no declared dtype can hold."""
        ...
