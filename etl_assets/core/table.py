"""The table spec: what a module in `etl_assets/tables/` declares, and the layer tables it becomes.

Frozen data and pure functions only. How a source is read is `sources/`, how a layer table is
published is `warehouse/`, what Dagster makes of it is `orchestration/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

import polars as pl

from etl_assets.core.checks import Severity
from etl_assets.core.contracts import Column, Contract, columns_of, key_of, keyed_by

Stage = Callable[[pl.LazyFrame], pl.LazyFrame]

LOOKBACK = timedelta(minutes=1)


class Enrich(Protocol):
    """A pure function of named upstream frames."""

    def __call__(self, **frames: pl.LazyFrame) -> pl.LazyFrame:
        """From lazy frames in the upstream contracts' dtypes to one in this contract's."""
        ...


class Layer(StrEnum):
    """A layer is a dataset (BigQuery) or schema (DuckDB, PostgreSQL) of the warehouse."""

    RAW = "raw"
    STAGED = "staged"
    ENRICHED = "enriched"


@dataclass(frozen=True)
class Thresholds:
    """How much may be wrong before a day is not published.

    `max_bad_share`: the share of a day's rows that may be set aside in quarantine.
    `min_share_of_last`: a day that comes back with fewer rows than this share of what is published
    is refused. `history_days` and `max_change`: how many earlier days the row count is
    compared with, and by what factor it may differ from their median.
    `max_deleted_share`: the share of a table that a reconciliation may remove unconfirmed.
    `severities` overrides the severity of a check by its name; an error blocks, a warning shows.
    """

    max_bad_share: float = 0.01
    min_share_of_last: float = 0.5
    history_days: int = 7
    max_change: float = 3.0
    max_deleted_share: float = 0.2
    severities: Mapping[str, Severity] = field(default_factory=dict)


@dataclass(frozen=True)
class Parent:
    """The row that a source row belongs to, for columns that the row itself does not have.

    `table` is in the same schema; `on` maps our column to the parent's; `columns` maps the name in
    the contract to the parent's column.
    """

    table: str
    on: Mapping[str, str]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class PostgresTable:
    """A table of the source database, read by explicit columns (those of the raw contract)."""

    table: str
    schema: str = "public"
    parent: Parent | None = None


@dataclass(frozen=True)
class Input:
    """An upstream layer table.

    `all_days_until` reads every day up to the partition's own, not only that day. `sets_grain` says
    that the result has exactly one row for each of this input's, which is then checked.
    """

    asset: str
    all_days_until: bool = False
    sets_grain: bool = False


class Drift(StrEnum):
    """What a source table's columns may do. What the contract needs must stay, in all three.

    `report`: a new column is a warning, and not read. `freeze`: any change stops the table.
    `evolve`: a new column is kept, with its values, in the table's overflow column, as JSON.
    """

    REPORT = "report"
    FREEZE = "freeze"
    EVOLVE = "evolve"


class Deletes(StrEnum):
    """What becomes of a row that the source deleted: it leaves the table, in both cases.

    `tombstone` keeps its last version in `etl_tombstones`.
    """

    REMOVE = "remove"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, eq=False)
class LayerTable:
    """One table in one layer: what one asset reads, checks and publishes; equal only to itself.

    What `drift`, `overflow_column`, `deletes` and `lookback` say is `TableSpec`'s. `versions` is
    the table that keeps every version of a row of this one that was seen, by key and cursor.
    """

    layer: Layer
    name: str
    contract: type[Contract]
    partition_column: str
    cursor_column: str | None
    description: str
    domain: str
    owners: tuple[str, ...]
    thresholds: Thresholds
    source: PostgresTable | None = None
    inputs: Mapping[str, Input] = field(default_factory=dict)
    transform: Callable[..., pl.LazyFrame] | None = None
    drift: Drift = Drift.REPORT
    overflow_column: str | None = None
    deletes: Deletes = Deletes.REMOVE
    lookback: timedelta = LOOKBACK
    versions: "LayerTable | None" = None

    @property
    def syncs(self) -> bool:
        """Whether its changes can be read by a cursor, so that it need not be loaded by days."""
        return self.source is not None and self.cursor_column is not None

    @property
    def path(self) -> str:
        """`raw/orders`: the asset's key, and the table's name in state and quarantine."""
        return f"{self.layer}/{self.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns."""
        return columns_of(self.contract)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return key_of(self.contract)

    def column(self, name: str) -> Column:
        """The declared column of that name."""
        return next(declared for declared in self.columns if declared.name == name)


@dataclass(frozen=True)
class TableSpec:
    """A source table that is landed in raw and cleaned in staged.

    A table with a `cursor_column` syncs: its changed rows are read by (cursor, key). The source
    sets the cursor on every change; `lookback` is how far back each sync reads again, for
    writers whose clock is behind the source's (C6). `keep_versions` keeps every version of a
    row that was seen in `raw/<name>_versions`. `deletes` and `drift` are policies, and
    `overflow_column` names the contract's JSON column that is not in the source and
    takes, with `Drift.EVOLVE`, the columns that the contract does not have.
    """

    name: str
    source: PostgresTable
    raw: type[Contract]
    staged: type[Contract]
    stage: Stage
    description: str
    partition_column: str = "created_at"
    cursor_column: str | None = "updated_at"
    domain: str = "sales"
    owners: tuple[str, ...] = ("team:data",)
    thresholds: Thresholds = Thresholds()
    keep_versions: bool = False
    drift: Drift = Drift.REPORT
    overflow_column: str | None = None
    deletes: Deletes = Deletes.REMOVE
    lookback: timedelta = LOOKBACK

    def layer_tables(self) -> tuple[LayerTable, ...]:
        """`raw/<name>` and `staged/<name>`."""
        raw = LayerTable(
            layer=Layer.RAW,
            name=self.name,
            contract=self.raw,
            partition_column=self.partition_column,
            cursor_column=self.cursor_column,
            description=f"{self.description} As the source has it.",
            domain=self.domain,
            owners=self.owners,
            thresholds=self.thresholds,
            source=self.source,
            drift=self.drift,
            overflow_column=self.overflow_column,
            deletes=self.deletes,
            lookback=self.lookback,
        )
        if self.keep_versions:
            raw = replace(raw, versions=versions_of(raw))
        staged = replace(
            raw,
            layer=Layer.STAGED,
            contract=self.staged,
            description=f"{self.description} Cleaned and typed.",
            source=None,
            inputs={"raw": Input(raw.path, sets_grain=True)},
            transform=self.stage,
            versions=None,
        )
        return raw, staged


def versions_of(table: LayerTable) -> LayerTable:
    """A raw table's versions: the same columns, a row a (key, cursor), days by the cursor."""
    cursor = table.cursor_column
    if cursor is None:
        raise TypeError(f"{table.path} keeps versions, which needs a cursor column.")
    return replace(
        table,
        name=f"{table.name}_versions",
        contract=keyed_by(table.contract, (*table.key, cursor)),
        partition_column=cursor,
        description=f"{table.description} Every version that was seen, by key and {cursor}.",
        source=None,
    )


@dataclass(frozen=True)
class EnrichedSpec:
    """A table made of other layer tables."""

    name: str
    contract: type[Contract]
    inputs: Mapping[str, Input]
    enrich: Enrich | Callable[..., pl.LazyFrame]
    description: str
    partition_column: str = "created_at"
    cursor_column: str | None = None
    domain: str = "sales"
    owners: tuple[str, ...] = ("team:data",)
    thresholds: Thresholds = Thresholds()

    def layer_tables(self) -> tuple[LayerTable, ...]:
        """`enriched/<name>`."""
        return (
            LayerTable(
                layer=Layer.ENRICHED,
                name=self.name,
                contract=self.contract,
                partition_column=self.partition_column,
                cursor_column=self.cursor_column,
                description=self.description,
                domain=self.domain,
                owners=self.owners,
                thresholds=self.thresholds,
                inputs=self.inputs,
                transform=self.enrich,
            ),
        )
