"""A source table as a `DaySource`: what the loader opens, and opens again if it breaks off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date

from etl_assets.core.drift import SourceColumns, compare, thaw
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.table import LayerTable
from etl_assets.sources.base import DayRead
from etl_assets.sources.postgres.reader import PostgresReader


@dataclass
class PostgresSource:
    """Days of one raw table, for one load: all its snapshots must have the same columns.

    `seen` are the source's columns when they were looked at last, None if never; `columns` are
    they now, once it was opened.
    """

    reader: PostgresReader
    table: LayerTable
    seen: SourceColumns | None = None
    columns: SourceColumns = field(default=(), init=False)
    _fingerprint: str | None = field(default=None, init=False)

    @contextmanager
    def open(self) -> Iterator[Callable[[date], DayRead]]:
        """One snapshot of the table; all days read inside are of that moment.

        Raises what `PostgresReader.snapshot` raises, and ContractMismatch where columns changed
        since this source was opened first (C10), or in a way that the table's policy forbids.
        """
        with self.reader.snapshot(self.table) as snapshot:
            self._fingerprint = self._fingerprint or snapshot.fingerprint
            if self._fingerprint != snapshot.fingerprint:
                raise ContractMismatch(
                    f"The source columns of {self.table.path} changed while it was being read.",
                    "Compare the contract with the table, then run the days again.",
                )
            self.columns = snapshot.source_types
            report = compare(self.table, self.columns, self.seen)
            if report.refuses:
                raise ContractMismatch(report.refuses, thaw(self.table))
            yield lambda day: replace(snapshot.day(day), drift=report)
