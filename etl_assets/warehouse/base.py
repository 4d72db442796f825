"""What every warehouse does, in the words that all backends share.

Backends differ in how a table is made and how rows get in, never in what a reader may see: the old
partitions or the new ones, with the state that belongs to them. No SQL stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from etl_assets.core.errors import StalePublication
from etl_assets.core.partitions import Window
from etl_assets.core.state import PartitionState
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
    same rows of the same day are added once, however often they are published.
    """

    REPLACE = "replace"
    MERGE = "merge"
    APPEND = "append"


@dataclass(frozen=True)
class StagedDay:
    """A checked day in the spool, and the state row that is to be committed with it."""

    day: date
    source: str
    files: SpoolFiles
    quarantine: SpoolFiles
    state: PartitionState


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

    `jobs` are those that staged them, where the warehouse bills its jobs.
    """

    table: LayerTable
    days: Sequence[StagedDay]
    name: str
    mode: Mode = Mode.REPLACE
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
    ) -> Staging:
        """Bring the spooled days to the warehouse's side, invisible to readers."""

    @abstractmethod
    def publish(self, staging: Staging) -> Publication:
        """Publish all staged days with their state and quarantine in one transaction.

        Raises StalePublication where a newer snapshot of one of the days is published already,
        WarehouseBusy, WarehouseError or DiskFull; then nothing has changed.
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
