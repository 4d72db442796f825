"""What a warehouse remembers of its tables: states, positions, days to be loaded again, history.

Rows of tables are `base.py`. States change in the transaction of a publication, or here alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import date, datetime

import polars as pl

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.publication import Recorded

QUARANTINED_SCHEMA = pl.Schema(
    {
        "partition_key": pl.Date(),
        "rule": pl.String(),
        "source_position": pl.String(),
        "payload": pl.String(),
    }
)
"""What is read of `etl_quarantine`."""

TOMBSTONED_SCHEMA = pl.Schema({"payload": pl.String(), "found_at": pl.Datetime("us", "UTC")})
"""What is read of `etl_tombstones`."""


class StateStore(ABC):
    """The platform's own tables: `etl_tables`, `etl_state`, `etl_quarantine`, `etl_tombstones`,
    `etl_files`, `etl_file_days`, `etl_fields` and `etl_history`.

    Reading finds nothing where nothing was ever published, and makes no table. Every method raises
    WarehouseBusy, WarehouseUnavailable or WarehouseError.
    """

    @abstractmethod
    def version(self) -> str | None:
        """A text that is another one after anything was published or recorded; it costs next to
        nothing, and no query job. None where the warehouse cannot tell."""

    @abstractmethod
    def table_states(self) -> list[TableState]:
        """The row of every table, by name."""

    @abstractmethod
    def table_state(self, table: LayerTable) -> TableState | None:
        """The table's row, None before its first publication. It costs no query job."""

    @abstractmethod
    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """The state of every published part, by table and part; of one table if given."""

    @abstractmethod
    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """How many rows of each part are in quarantine; parts without any are left out."""

    @abstractmethod
    def quarantined(
        self,
        table: LayerTable,
        *,
        positions: Collection[str] | None = None,
        days: Collection[date] | None = None,
    ) -> pl.DataFrame:
        """The quarantined rows at these source positions, or of these parts, in QUARANTINED_SCHEMA.

        Of the whole table where neither is given.
        """

    @abstractmethod
    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """The rows that the source deleted, in TOMBSTONED_SCHEMA, oldest first."""

    @abstractmethod
    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """The objects that the published parts of a table were made of, by part and key."""

    @abstractmethod
    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """What the index says of the objects of a table, by key. It costs no query job."""

    @abstractmethod
    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """Take what the index says of the objects `keys` out of it, and put what was `found` in.

        A warehouse may do it in steps, and of two that do it at once both may stay: no publication
        depends on it. `version` need not be another one.
        """

    @abstractmethod
    def fields(self, table: LayerTable) -> list[FieldPart]:
        """What is remembered of the fields of a table, by column, part and field."""

    @abstractmethod
    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """Let what was `found` take the place of what is remembered of the fields of these parts.

        As with `put_file_days` no publication depends on it.
        """

    def recorded(
        self, table: LayerTable, *, versions: bool = False, quarantine: bool = False
    ) -> Recorded:
        """What is remembered of a table, and of its versions and its quarantine if asked for.

        The table's row is never newer than the rest: a publication that is planned on this is
        refused (LostTurn) if the rest changed meanwhile. Backends may answer in one go.
        """
        own = self.table_state(table)
        kept = table.versions
        return Recorded(
            own,
            {state.partition_key: state for state in self.state(table)},
            {state.partition_key: state for state in self.state(kept)}
            if versions and kept is not None
            else {},
            self.quarantine_counts(table) if quarantine else {},
        )

    @abstractmethod
    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """Let `table_state` take the place of its table's row if that still has the `load_id`
        `token` (None: there is no row), and add to the history.

        Raises LostTurn, and then nothing has changed.
        """

    @abstractmethod
    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """Record that source and warehouse were equal on these parts at `moment`.

        An earlier `verified_through` gives way, a later one stays. Where every published part is
        verified, the table's row says the earliest of their moments.
        """

    @abstractmethod
    def record(self, history: Sequence[HistoryEntry]) -> None:
        """Add to `etl_history`."""

    @abstractmethod
    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """What was recorded of the table and kind, newest first, at most that many."""
