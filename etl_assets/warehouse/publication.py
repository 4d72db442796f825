"""What a publication is, as data: staged parts, what is recorded, what changes in one transaction.

What it does to rows and states is decided in `planning.py`, before a backend is asked; a backend
carries it out in one transaction and adds nothing of its own. No SQL stands here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from etl_assets.core.errors import LostTurn, StalePublication
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles, together

STAGED_DAY, CURSOR = "__day", "__cursor"
"""Columns of facts beside the key's: the part (Date) that a row is on, and its cursor."""


@dataclass(frozen=True)
class Gone:
    """Rows of a part that its source no longer has, and that stay as they were published.

    `keys` are theirs (the key's columns); `of` is the published load of the part that they were
    taken from, None where it had none.
    """

    keys: SpoolFiles
    of: str | None


@dataclass(frozen=True)
class StagedDay:
    """A checked part of a table in the spool, with the state that its publication leaves behind.

    `files` hold rows in the contract's columns, `quarantine` rows in QUARANTINE_SCHEMA. `ledger`
    are the objects that the part was made of, in LEDGER_SCHEMA; None for a part that is not made of
    files. `gone` says which rows of `files` the source no longer has; None where none are kept.
    """

    day: date
    source: str
    files: SpoolFiles
    quarantine: SpoolFiles
    state: PartitionState
    ledger: SpoolFiles | None = None
    gone: Gone | None = None


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
    """Parts that lie in the warehouse under a name of this run, seen by no reader.

    `jobs` are those that brought them, where the warehouse bills its jobs.
    """

    table: LayerTable
    days: Sequence[StagedDay]
    name: str
    jobs: Sequence[JobCost] = ()

    @property
    def rows(self) -> int:
        """How many rows are staged."""
        return sum(staged.files.rows for staged in self.days)


@dataclass(frozen=True)
class Facts:
    """What the warehouse says of staged rows before they are published.

    `elsewhere`: the published rows on other parts than the staged ones whose key is staged, in the
    key's columns, STAGED_DAY and CURSOR (dtype of the cursor column; null without one).
    `versions`: for each day of the versions table that gains rows: STAGED_DAY (Date), `rows`
    (Int64) and `newest` (Datetime us UTC), the greatest cursor among them.
    """

    elsewhere: pl.DataFrame
    versions: pl.DataFrame

    @classmethod
    def nothing(cls, table: LayerTable) -> "Facts":
        """Nothing is published elsewhere, and no versions are new."""
        key = {name: table.column(name).dtype for name in table.key}
        names = table.cursor.columns if table.cursor else ()
        cursor = table.column(names[0]).dtype if names else pl.Null()
        moment = pl.Datetime("us", "UTC")
        return cls(
            pl.DataFrame(schema={**key, STAGED_DAY: pl.Date(), CURSOR: cursor}),
            pl.DataFrame(schema={STAGED_DAY: pl.Date(), "rows": pl.Int64(), "newest": moment}),
        )


@dataclass(frozen=True)
class Publication:
    """What one publication changes, all of it in one transaction and in this order.

    Nothing at all happens unless the table's `load_id` in `etl_tables` is `token` (None: the table
    has no row there); else LostTurn is raised.

    1. The rows and the quarantine of the parts in `replaced` leave; of a table of files their
       ledger as well (`ledger`).
    2. The published rows whose keys are in `leaving` (the key's columns) leave from the parts in
       `leaving_from`. Keys are compared with NULL equal to NULL.
    3. Quarantined rows at the source positions `cleared` leave, of whatever part.
    4. The staged rows come, without those in `left_out` (STAGED_DAY and the key's columns), the
       staged quarantine, and the `ledger` (LEDGER_SCHEMA).
    5. Of a table with versions, each staged row that has a cursor and whose (key, cursor) is not in
       the versions table comes there, once; rows that are left out too.
    6. `states` take the place of the states of the same table and part; `table_state` of the
       table's row. `tombstones` (TOMBSTONE_SCHEMA) and `history` are added.
    """

    staging: Staging
    token: str | None
    table_state: TableState
    states: Sequence[PartitionState]
    replaced: Collection[date] = ()
    leaving: SpoolFiles | None = None
    leaving_from: Collection[date] = ()
    left_out: pl.DataFrame | None = None
    cleared: Collection[str] = ()
    tombstones: SpoolFiles | None = None
    history: Sequence[HistoryEntry] = ()

    @property
    def table(self) -> LayerTable:
        """The table that is published to."""
        return self.staging.table

    @property
    def ledger(self) -> SpoolFiles | None:
        """The ledger of all staged parts; None where none of them is made of files."""
        ledgers = [staged.ledger for staged in self.staging.days if staged.ledger is not None]
        return together(ledgers) if ledgers else None


@dataclass(frozen=True)
class Recorded:
    """What is remembered of a table before a publication of it is planned.

    `versions` are the states of its versions table, `quarantine_counts` how many rows are in
    quarantine, both by part.
    """

    table_state: TableState | None
    states: Mapping[date, PartitionState] = field(default_factory=dict)
    versions: Mapping[date, PartitionState] = field(default_factory=dict)
    quarantine_counts: Mapping[date, int] = field(default_factory=dict)

    @property
    def token(self) -> str | None:
        """What the table's row must still say when the publication runs."""
        return self.table_state.load_id if self.table_state else None


def newer_is_published(table: LayerTable, days: Collection[date]) -> StalePublication:
    """The error of a run whose snapshot of the parts is older than what is published (L5)."""
    return StalePublication(
        f"A newer snapshot of {table.path} {', '.join(map(str, sorted(days)))} "
        "is published already; this run read an older one and published nothing.",
        "Nothing needs doing unless the newer one is wrong; then run the days again.",
    )


def kept_are_others(table: LayerTable, days: Collection[date]) -> StalePublication:
    """The error of a run that keeps rows of the parts which another run has changed meanwhile."""
    return StalePublication(
        f"Another run published to {table.path} {', '.join(map(str, sorted(days)))} after this one "
        "had looked which rows of it stay; this run published nothing.",
        "Run the days again.",
    )


def lost_turn(path: str) -> LostTurn:
    """The error of a publication that was planned before another run published to the table."""
    return LostTurn(
        f"Another run published to {path} while this one worked; nothing of this one was.",
        "It is tried again by itself; if that happens all the time, let the other one finish.",
    )
