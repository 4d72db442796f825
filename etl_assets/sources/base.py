"""What a reader hands to the loader: one day of one table, lazily, with the evidence for it."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import polars as pl

from etl_assets.core.drift import DriftReport
from etl_assets.sources.found import Rejected


@dataclass(frozen=True)
class Evidence:
    """What the source itself says of the day, in the snapshot that the rows come from.

    `as_of` is that snapshot's moment on the source's clock (UTC), `row_count` the source's own
    count (None where rows are made, not copied, so that nothing can be counted), `query` the
    statement that reads the rows (no secrets), `drift` how its columns differ from the contract;
    `made_of` is the digest of the upstream loads that the rows are made of, if they are.
    """

    as_of: datetime
    row_count: int | None
    query: str = ""
    rejected: Rejected = field(default_factory=Rejected)
    drift: DriftReport | None = None
    made_of: str | None = None
    repeated: pl.DataFrame | None = None


class DayRead(Protocol):
    """One day, read once: open it, take the evidence, then the batches."""

    @property
    def day(self) -> date:
        """The UTC day that is read."""
        ...

    @property
    def source(self) -> str:
        """What `_source` says of its rows."""
        ...

    def evidence(self) -> Evidence:
        """The day's evidence."""
        ...

    def batches(self) -> Generator[pl.DataFrame, None, None]:
        """The day's rows in bounded batches; none for an empty day."""
        ...


class DaySource(Protocol):
    """Opens one moment of a source, out of which days are read."""

    def open(self) -> AbstractContextManager[Callable[[date], DayRead]]:
        """Raises SourceUnavailable, SourceError or ContractMismatch before any day is read."""
        ...
