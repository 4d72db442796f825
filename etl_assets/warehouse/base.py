"""What a warehouse is: rows that are staged, published and read, and what is remembered of them.

Backends differ in how a table is made and how rows get in, never in what a reader may see: the old
parts or the new ones, with the state that belongs to them. What a publication changes is decided in
`planning.py`, what is remembered is `state_store.py`. No SQL stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.errors import ConfigError
from etl_assets.core.findings import Finding
from etl_assets.core.frames import DAY, ROWS, WITHOUT
from etl_assets.core.partitions import Window
from etl_assets.core.state import TableState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.publication import Facts, JobCost, Publication, StagedDay, Staging
from etl_assets.warehouse.state_store import StateStore

if TYPE_CHECKING:
    from etl_assets.warehouse.contract_tables import Fit


@dataclass(frozen=True)
class Extract:
    """Rows read from the warehouse: a lazy frame for each window asked for, and the moment."""

    frames: Sequence[pl.LazyFrame]
    as_of: datetime


def counted_nulls(
    table: LayerTable, among: Collection[str] | None = None
) -> Mapping[str, Sequence[str]]:
    """What a profile counts NULLs of: the nullable columns and WITHOUT for a cursor of several, or
    the columns that are given. Each has the columns in all of which NULL is where it counts one.
    """
    if among is not None:
        return {column.name: [column.name] for column in table.columns if column.name in among}
    counted = {column.name: [column.name] for column in table.columns if column.nullable}
    cursor = table.cursor
    if cursor and cursor.null_count == WITHOUT:
        counted[WITHOUT] = list(cursor.columns)
    return counted


def profile_schema(counted: Iterable[str]) -> pl.Schema:
    """DAY (Date), ROWS (Int64), and for each of `counted_nulls` how many NULLs, as Int64."""
    return pl.Schema({DAY: pl.Date(), ROWS: pl.Int64(), **dict.fromkeys(counted, pl.Int64())})


class Rows(ABC):
    """Tables of rows; every method leaves what is published as it was unless it says so.

    A table without days has one part, `core.partitions.WHOLE`, that all of its rows are on.
    """

    @abstractmethod
    def ensure(self, table: LayerTable) -> Sequence[str]:
        """Create the table from its contract if it is not there; the columns that one lacked.

        Columns that a contract gained are added, NULL in older rows also where it requires them;
        any other difference raises WarehouseError with the statement that would mend it. That it
        requires a column now that may be NULL in older rows is none.
        """

    @abstractmethod
    def fit(self, table: LayerTable) -> "Fit | None":
        """How the published table fits its contract, None where `ensure` would create it.

        It changes nothing. Raises WarehouseError for a table that `ensure` would not create.
        """

    def size(self, table: LayerTable) -> int | None:  # noqa: ARG002 - of backends that bill
        """How many bytes are billed for reading all of the table; None where nobody bills."""
        return None

    @abstractmethod
    def stage(self, table: LayerTable, days: Sequence[StagedDay], run_id: str) -> Staging:
        """Bring the spooled parts to the warehouse's side, invisible to readers; there may be none.

        What is staged stays until it is discarded, or until a day later if its run was killed.
        """

    @abstractmethod
    def facts(self, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
        """What has to be known of the staged rows; what is not asked for is empty."""

    @abstractmethod
    def publish(self, publication: Publication) -> Sequence[JobCost]:
        """Carry a publication out in one transaction; the jobs that it took, with the staging's.

        Raises LostTurn (a new plan may be published with the same staging), WarehouseBusy,
        WarehouseUnavailable, WarehouseError or DiskFull; then nothing has changed.
        """

    @abstractmethod
    def discard(self, staging: Staging) -> None:
        """Drop what was staged; nothing where it is gone, and no error where it cannot be dropped:
        it is swept a day later."""

    @abstractmethod
    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """The published rows of each window, in the contract's columns and dtypes.

        `folder` takes what the frames read lazily. A table that nobody published yet is empty. For
        a table without days the window of `core.partitions.WHOLE` is all rows.
        """

    @abstractmethod
    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """The published rows whose key is among `keys` (the key's columns), on whatever part.

        Keys are compared with NULL equal to NULL. Columns and dtypes are the contract's; `folder`
        takes what the frame reads lazily.
        """

    @abstractmethod
    def profile(
        self, table: LayerTable, days: Collection[date], among: Collection[str] | None = None
    ) -> pl.DataFrame:
        """What is published on each of the parts that has rows, in `profile_schema`.

        NULLs are counted in the nullable columns of the contract, or in those `among` the given.
        """

    @abstractmethod
    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """Count and checksum of what is published on the parts, in BUCKETS_SCHEMA."""

    @abstractmethod
    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """Key and digest of each published row of the part whose bucket is `among` those given.

        The schema is `core.digests.row_digests_schema`.
        """


class Warehouse(Rows, StateStore):
    """One small interface for every backend.

    `production` is the one that an environment reads besides its own, None where this one is none
    of an environment.
    """

    production: "Warehouse | None" = None
    is_read_only: bool = False

    @property
    def seen(self) -> "Warehouse":
        """The same as readers see it: inputs of tables are read here, and what is published is
        shown. In an environment it has what only production has as well, and writes nothing."""
        if self.production is None:
            return self
        from etl_assets.warehouse.seen import Seen

        return Seen(self, self.production)

    def own_row(self, table: LayerTable) -> TableState | None:
        """The row of a table as this warehouse has it; unlike `table_state` it changes nothing,
        also where an earlier release wrote last."""
        rows = self.table_states()
        return next((row for row in rows if row.table_name == table.path), None)

    def environments(self) -> list[str]:
        """The environments that there are beside this warehouse, by name."""
        return []

    def drop_environment(self, name: str) -> list[str]:
        """Remove an environment with all that it has published; what was removed, by name.

        Raises ConfigError where there is none of that name: a warehouse that has `environments`
        says here how one goes.
        """
        raise ConfigError(f"This warehouse has no environment {name}.", "See: etl-assets env list.")

    def close(self) -> None:
        """Let go of idle connections; using the warehouse again opens new ones."""

    def health(
        self,
        where: str,  # noqa: ARG002 - for those that answer
        layers: Sequence[str],  # noqa: ARG002
    ) -> tuple[list[Finding], timedelta | None]:
        """How it is, as `where` for messages, and how far its clock is ahead of this machine's.

        `layers` are the schemas or datasets of the tables. Nothing is written. The default says
        nothing, with no clock. Raises what a warehouse raises that cannot be asked.
        """
        return [], None

    @abstractmethod
    def tables_version(self) -> int | None:
        """The version of the platform's own tables as they are: 3 for any release before version
        4, None where nobody ever published. Nothing is brought up to this release.

        Raises WarehouseError for one of a newer release.
        """

    @abstractmethod
    def migrate(self) -> str:
        """Bring the platform's own tables up to this release; what that took, in one line."""
