"""What every warehouse does, in the words that all backends share.

Backends differ in how a table is made and how rows get in, never in what a reader may see: the old
partitions or the new ones, with the state that belongs to them. No SQL stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from etl_assets.core.errors import LostTurn, StalePublication
from etl_assets.core.partitions import Window
from etl_assets.core.state import Happening, HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles

SYSTEM_DATASET = "etl"
"""The dataset that holds `etl_state` and `etl_quarantine`."""

AUDIT_COLUMNS: Mapping[str, str] = {
    "_ingested_at": "When the row was published (UTC).",
    "_source": "The system and table that the row was read from.",
    "_run_id": "The run that published the row.",
    "_schema_version": "A digest of the contract that the row was checked with.",
}


class Mode(StrEnum):
    """How staged rows become published ones.

    `replace` puts them in the partition's place; `merge` puts them in by key, of two versions the
    one with the greater cursor stays; `append` adds them, for tables whose rows never change: the
    same rows of the same day are added once, however often they are published; `changes` brings a
    table up to date with what was looked up before (`Changes`).
    """

    REPLACE = "replace"
    MERGE = "merge"
    APPEND = "append"
    CHANGES = "changes"


@dataclass(frozen=True)
class StagedDay:
    """A checked day in the spool, and the state row that is to be committed with it."""

    day: date
    source: str
    files: SpoolFiles
    quarantine: SpoolFiles
    state: PartitionState


@dataclass(frozen=True)
class Changes:
    """What a sync or a repair brings beside its staged days, all in one transaction (`changes`).

    The staged days are exactly the days that are touched, each with its whole state. Their files
    hold the new and the changed rows: each takes the place of the published row of its key, which
    is on one of these days. `gone` are published rows (contract's columns) that leave, from these
    days too. The days' quarantine is added to what is there, and `cleared` names the
    `source_position`s whose older quarantine leaves first. `tombstones` (TOMBSTONE_SCHEMA) and
    `history` are added. `position` becomes the table's own row (`WHOLE_TABLE`).

    `token` is the `load_id` of the table's own row when all this was looked up, None if there was
    no such row. Where it is another one by now, nothing is published: LostTurn.
    """

    token: str | None
    position: PartitionState
    gone: SpoolFiles
    tombstones: SpoolFiles
    cleared: Sequence[str] = ()
    history: Sequence[HistoryEntry] = ()


@dataclass(frozen=True)
class JobCost:
    """What one job of a warehouse that bills its jobs has cost; `slot_seconds` are CPU time."""

    job_id: str
    kind: str
    bytes_processed: int
    bytes_billed: int
    slot_seconds: float


@dataclass(frozen=True)
class Staging:
    """Days that are staged in the warehouse under a name of this run, for `publish`.

    `changes` belong to Mode.CHANGES. `jobs` are those that staged them, where the warehouse bills
    its jobs.
    """

    table: LayerTable
    days: Sequence[StagedDay]
    name: str
    mode: Mode = Mode.REPLACE
    changes: Changes | None = None
    jobs: Sequence[JobCost] = ()


@dataclass(frozen=True)
class Publication:
    """What it took to stage and publish days: the jobs, none where the warehouse bills nothing."""

    jobs: Sequence[JobCost] = ()


@dataclass(frozen=True)
class Extract:
    """Rows read from the warehouse: a lazy frame for each window asked for, and the moment."""

    frames: Sequence[pl.LazyFrame]
    as_of: datetime


def newer_is_published(table: LayerTable, days: Iterable[date]) -> StalePublication:
    """The error of a run whose snapshot of the days is older than what is published (L5)."""
    return StalePublication(
        f"A newer snapshot of {table.path} {', '.join(map(str, days))} "
        "is published already; this run read an older one and published nothing.",
        "Nothing needs doing unless the newer one is wrong; then run the days again.",
    )


@dataclass(frozen=True)
class Look:
    """What is remembered of a table before it is worked on; nothing is older than its own row.

    `own` is the table's own row of `etl_state`, `states` are those of its days, `quarantine` is as
    `Warehouse.quarantined` has it, `newest` the last entry of `etl_history` of each kind.
    """

    own: PartitionState | None
    states: Sequence[PartitionState]
    quarantine: pl.DataFrame
    newest: Mapping[str, HistoryEntry]


def profile_schema(table: LayerTable) -> pl.Schema:
    """`_day` (Date), `_rows` (Int64), and for each nullable column of the contract how many NULLs.

    These have the column's name and are Int64.
    """
    nullable = [column.name for column in table.columns if column.nullable]
    return pl.Schema(
        {"_day": pl.Date(), "_rows": pl.Int64(), **dict.fromkeys(nullable, pl.Int64())}
    )


def lost_turn(path: str) -> LostTurn:
    """The error of changes that were looked up before somebody else published to the table."""
    return LostTurn(
        f"Another run published to {path} while this one worked; nothing of this one was.",
        "It is tried again by itself; if that happens all the time, let the other one finish.",
    )


class Warehouse(ABC):
    """One small interface; every method leaves what is published as it was unless it says so."""

    @abstractmethod
    def ensure(self, table: LayerTable) -> None:
        """Create the table from its contract if it is not there.

        A contract that gained nullable columns adds them; any other difference raises
        WarehouseError with the statement that would mend it.
        """

    @abstractmethod
    def stage(
        self,
        table: LayerTable,
        days: Sequence[StagedDay],
        run_id: str,
        mode: Mode = Mode.REPLACE,
        changes: Changes | None = None,
    ) -> Staging:
        """Bring the spooled days to the warehouse's side, invisible to readers.

        `changes` come with Mode.CHANGES, which may have no days at all.
        """

    @abstractmethod
    def publish(self, staging: Staging) -> Publication:
        """Publish all staged days with their state and quarantine in one transaction.

        In a table that syncs a key is on one day only (C8): replacing days takes their keys away
        from other days where those have an older version, or the same, and leaves a newer one
        there; the states of these days say so, with this publication's `load_id`. Every publication
        of such a table gives its own row (`WHOLE_TABLE`) the `load_id` of the days. A table with
        versions gets, whatever the mode, each staged row that has a cursor and whose (key, cursor)
        is not there yet, and a state (row_count, high_watermark, this load_id) for each day of
        theirs that gained rows.

        Raises StalePublication where a newer snapshot of one of the days is published already,
        LostTurn (`Changes`), WarehouseBusy, WarehouseError or DiskFull; then nothing has changed.
        """

    @abstractmethod
    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """The published rows of each window, in the contract's columns and dtypes.

        `folder` takes what the frames read lazily. A table that nobody published yet is empty.
        """

    def close(self) -> None:  # noqa: B027 - a backend without a pool has nothing to close
        """Let go of idle connections; using the warehouse again opens new ones."""

    def migrate(self) -> str:
        """Bring the platform's own tables up to this release; what that took, in one line."""
        return "Nothing to migrate: this warehouse makes the platform's tables when it needs them."

    @abstractmethod
    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """The state of every published partition, by table and day; of one table if given."""

    @abstractmethod
    def table_state(self, table: LayerTable) -> PartitionState | None:
        """The table's own row of `etl_state` (`WHOLE_TABLE`), None before the first publication."""

    def look(self, table: LayerTable) -> Look:
        """All that is remembered of the table; backends may answer in one go, of one moment."""
        own = self.table_state(table)
        newest = {
            str(kind): entries[0] for kind in Happening if (entries := self.history(table, kind, 1))
        }
        return Look(own, self.state(table), self.quarantined(table), newest)

    @abstractmethod
    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """The published rows whose key is among `keys` (the key's columns), on whatever day.

        Columns and dtypes are the contract's; `folder` takes what the frame reads lazily.
        """

    @abstractmethod
    def profile(self, table: LayerTable, days: Collection[date]) -> pl.DataFrame:
        """What is published on each of the days that has rows, in `profile_schema`."""

    @abstractmethod
    def quarantined(self, table: LayerTable) -> pl.DataFrame:
        """The table's quarantine: `partition_key` (Date), `source_position`, `payload` (String)."""

    @abstractmethod
    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """Count and checksum of what is published on the days, in BUCKETS_SCHEMA."""

    @abstractmethod
    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """Key and digest of each published row of the day whose bucket is `among` those given.

        The schema is `core.digests.row_digests_schema`.
        """

    @abstractmethod
    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """Record that source and warehouse were equal on these days (or WHOLE_TABLE) at `moment`.

        An earlier `verified_through` gives way, a later one stays.
        """

    @abstractmethod
    def move(
        self, position: PartitionState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """Make `position` its table's own row if that still has `token`; add to the history.

        Raises LostTurn, and then nothing has changed.
        """

    @abstractmethod
    def record(self, history: Sequence[HistoryEntry]) -> None:
        """Add to `etl_history`."""

    @abstractmethod
    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """What was recorded of the table and kind, newest first, at most that many."""
