"""What a source is: one table of an outside system, opened at a moment and read by day.

A table of PostgreSQL, files, an HTTP API and events are all read through this. A source must be
able to read a day (`WHOLE` for a table without days); what else it can do it declares
(`Source.cannot`). How rows become published ones is decided in `pipeline/`.
"""
# ruff: noqa: ARG002 - what a source cannot do is refused, whatever the arguments are

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Container, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, Self

import polars as pl

from etl_assets.core.drift import DriftReport, SourceColumns, compare, thaw
from etl_assets.core.errors import ContractMismatch, SourceError
from etl_assets.core.position import Horizon, Position
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
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


class Ability(StrEnum):
    """What a source may be able to do besides reading days, with the methods that need it.

    `changes`: `Source.horizon`, `Snapshot.changes`, `beyond` and `without_cursor`.
    `keys`: `Snapshot.by_keys` and `repeated_keys`.
    `digests`: `Snapshot.digests`, `row_digests` and `unreadable`.
    """

    CHANGES = "changes"
    KEYS = "keys"
    DIGESTS = "digests"

    @property
    def doing(self) -> str:
        """What a table without it cannot, as a person reads it after "cannot"."""
        return {
            Ability.CHANGES: "be synced by its changes",
            Ability.KEYS: "be asked for rows by their keys",
            Ability.DIGESTS: "be compared with the warehouse",
        }[self]


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


class Source(ABC):
    """One table of an outside system, for one load, sync or reconciliation.

    `seen` are the source's columns when they were seen last, None if never; `columns` are its
    columns now, once it was opened. `scope` are the days of the platform, on which a key must be
    unique; None is every day. All moments that one object opens must have the same columns
    (C10): `again` gives an object for the next reading.
    """

    def __init__(
        self, table: LayerTable, seen: SourceColumns | None = None, scope: Scope | None = None
    ) -> None:
        self.table = table
        self.seen = seen
        self.scope = scope
        self.columns: SourceColumns = ()
        self._fingerprint: str | None = None

    @property
    @abstractmethod
    def cannot(self) -> Mapping[Ability, str]:
        """What this source cannot do, each with the reason in one sentence."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """One moment, whatever its columns are; raises SourceUnavailable or SourceError.

        Raises ContractMismatch where it lacks a column of the contract, or a dtype does not fit.
        """

    def reach(self) -> None:  # noqa: B027 - not every kind can check this
        """Check that the outside system answers; no data is read.

        Raises SourceUnavailable or SourceError. The default checks nothing: then the first reading
        shows it.
        """

    def horizon(self, watermark: datetime | None) -> Horizon:
        """How far changes may be read; ask before the moment is opened that they are read from.

        `watermark` is the moment of the position that a sync goes on from, None for the first.
        Where the cursor is a version, the greatest one was `seen` before the horizon.
        """
        raise unable(self.table, Ability.CHANGES, self.cannot)

    def rows_without_day(self) -> int:
        """How many rows no day can hold, at a moment of its own; raises what `open` raises."""
        with self.open() as snapshot:
            return snapshot.without_day()

    def again(self, seen: SourceColumns | None) -> Self:
        """The same table for another reading, which may find other columns than this one."""
        other = copy.copy(self)
        other.seen, other.columns, other._fingerprint = seen, (), None
        return other

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """One moment, whose columns are checked.

        Raises what `snapshot` raises, and ContractMismatch where the columns changed since this
        object opened the first moment (C10), or in a way that the table's policy forbids.
        """
        with self.snapshot() as snapshot:
            self._fingerprint = self._fingerprint or snapshot.fingerprint
            if self._fingerprint != snapshot.fingerprint:
                raise ContractMismatch(
                    f"The source columns of {self.table.path} changed while it was being read.",
                    "Compare the contract with the table, then run the days again.",
                )
            self.columns = snapshot.columns
            report = compare(self.table, self.columns, self.seen)
            if report.refuses:
                raise ContractMismatch(report.refuses, thaw(self.table))
            snapshot.cannot, snapshot.scope, snapshot.drift = self.cannot, self.scope, report
            yield snapshot


def unable(table: LayerTable, ability: Ability, cannot: Mapping[Ability, str]) -> SourceError:
    """The error for what a source cannot do."""
    reason = cannot.get(ability, "Its kind of source does not offer that.")
    return SourceError(
        f"{table.path} cannot {ability.doing}. {reason}",
        f"Load it instead: etl-assets backfill {table.path}.",
    )
