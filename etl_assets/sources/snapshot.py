"""One moment of a source table, and what it may be asked for. How it is opened is `base.py`."""
# ruff: noqa: ARG002 - what a source cannot do is refused, whatever the arguments are

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

import polars as pl

from etl_assets.core.drift import DriftReport, SourceColumns
from etl_assets.core.errors import SourceError
from etl_assets.core.position import Position
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability, unable
from etl_assets.sources.found import RejectedChanges
from etl_assets.sources.reads import ChangeRead, DayRead


@dataclass(frozen=True)
class SyncCost:
    """What each sync of a table costs its source, as the source itself estimates it.

    `cursor` is what tells changes, with its kind, and `reads` how they are found. `without_cursor`
    counts rows that every sync reads again, because they have no cursor. `index` is the statement
    that makes the index which a sync wants, None where there is one; `notes` are sentences.
    """

    cursor: str
    reads: str
    without_cursor: int
    index: str | None = None
    notes: tuple[str, ...] = ()


class Snapshot(ABC):
    """One moment of a table; all that is read from it is of that moment.

    `source` is the value of `_source` in its rows; `as_of` is the moment on the source's clock
    (UTC); `columns` are name and type of each source column, as the source shows them. `cannot`,
    `scope` and `drift` are set by `Source.open`.
    Every method raises SourceUnavailable or SourceError; one that needs an ability which the source
    does not have raises SourceError with the reason.
    """

    table: LayerTable
    source: str
    as_of: datetime
    columns: SourceColumns
    cannot: Mapping[Ability, str] = MappingProxyType({})
    scope: Scope | None = None
    drift: DriftReport | None = None

    @property
    def fingerprint(self) -> str:
        """A text that changes when a column that the contract reads is renamed or retyped."""
        names = set(self.table.source_columns.values())
        return "\n".join(f"{name}:{shown}" for name, shown in self.columns if name in names)

    @property
    def key_is_unique(self) -> bool:
        """Whether the source guarantees that no key stands in two rows (NULL equal to NULL)."""
        return False

    @abstractmethod
    def day(self, day: date) -> DayRead:
        """One day of the table, not read yet; `WHOLE` is everything of a table without days."""

    def without_day(self) -> int:
        """How many rows no day can hold, because their moment is missing or no calendar date."""
        return 0

    def extent(self) -> Mapping[str, object]:
        """How much there is and up to when, without reading it: `rows`, `newest_cursor` and so on.

        Empty where that cannot be asked for. Raises SourceUnavailable or SourceError.
        """
        return {}

    def hidden(self) -> Sequence[str]:
        """What keeps rows of the table from us although its spec accepts that; a sentence each."""
        return ()

    def sync_cost(self) -> SyncCost | None:
        """What each sync costs the source, None for a table that does not sync."""
        return None

    def limits(self) -> Sequence[str]:
        """What cannot be guaranteed for this kind of table; a sentence each."""
        return ()

    def day_costs(self) -> Sequence[str]:
        """What makes a day dear to read, and what would help; a sentence each."""
        return ()

    def changes(
        self, after: Position | None, until: datetime, most_rows: int, most_bytes: int
    ) -> ChangeRead:
        """The rows that changed after a position (None: all rows), up to a moment and at it.

        They come in the order of (cursor, key). There are at most so many rows and so many bytes,
        but at least one row; rows that have the same position are never parted.
        """
        raise self._unable(Ability.CHANGES)

    def beyond(
        self, moment: datetime, after: Position | None, most_rows: int, most_bytes: int
    ) -> ChangeRead:
        """The rows whose cursor is later than `moment`, the source's clock (C5)."""
        raise self._unable(Ability.CHANGES)

    def without_cursor(
        self, after_key: Sequence[str | None] | None, most_rows: int, most_bytes: int
    ) -> ChangeRead:
        """The rows whose cursor is NULL or no calendar date, in the order of the key (C5).

        The moment of their positions means nothing.
        """
        raise self._unable(Ability.CHANGES)

    def by_keys(self, keys: pl.DataFrame) -> ChangeRead:
        """The rows with these keys (the key's columns, in the contract's dtypes), in no order.

        NULL is equal to NULL. Rows of any day are found, and those that have none.
        """
        raise self._unable(Ability.KEYS)

    def repeated_keys(self, scope: Scope | None, among: pl.DataFrame | None = None) -> pl.DataFrame:
        """The keys that stand in more than one row on the days of the scope, each of them once.

        None is every day, and a table without days is in every scope. Columns and dtypes are those
        of the contract's key; NULL is equal to NULL. `among` asks only for these keys. All
        rows count, also those that no dtype can hold; but a key that no dtype can hold is left out.
        Where `key_is_unique` the answer is empty and costs nothing.
        """
        raise self._unable(Ability.KEYS)

    def digests(
        self, days: Collection[date] | None, buckets: int, scope: Scope | None = None
    ) -> pl.DataFrame:
        """Count and checksum by day and bucket in BUCKETS_SCHEMA, of these days, None for all of
        the scope.

        Rows that no dtype can hold are not counted, nor are those that have no day.
        """
        raise self._unable(Ability.DIGESTS)

    def row_digests(self, day: date, buckets: int, among: Collection[int]) -> pl.DataFrame:
        """Key and digest of the day's rows whose bucket is `among` those given.

        The schema is `core.digests.row_digests_schema`, and `core.frames.CURSOR`, the place of the
        row (`Cursor.place_dtype`), null where it has none.
        """
        raise self._unable(Ability.DIGESTS)

    def unreadable(self, scope: Scope | None) -> RejectedChanges:
        """All rows on the days of the scope (None: on any day) that no declared dtype can hold."""
        raise self._unable(Ability.DIGESTS)

    def _unable(self, ability: Ability) -> SourceError:
        return unable(self.table, ability, self.cannot)
