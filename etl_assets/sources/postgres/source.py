"""A source table as a `DaySource`: what the loader opens, and opens again if it breaks off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from etl_assets.core.reads import DayRead
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.reader import PostgresReader


@dataclass(frozen=True)
class PostgresSource:
    """Days of one raw table."""

    reader: PostgresReader
    table: LayerTable

    @contextmanager
    def open(self) -> Iterator[Callable[[date], DayRead]]:
        """One snapshot of the table; all days read inside are of that moment."""
        with self.reader.snapshot(self.table) as snapshot:
            yield snapshot.day
