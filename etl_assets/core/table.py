"""The table spec: what a module in `etl_assets/tables/` declares, and the layer tables it becomes.

Frozen data and pure functions only. How a source is read is `sources/`, how a layer table is
published is `warehouse/`, what Dagster makes of it is `orchestration/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import polars as pl

from etl_assets.core.checks import Severity
from etl_assets.core.contracts import Column, Contract, columns_of, key_of

Stage = Callable[[pl.LazyFrame], pl.LazyFrame]


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
    compared with, and by what factor it may differ from their median. `severities` overrides the
    severity of a check by its name; an error blocks, a warning only shows.
    """

    max_bad_share: float = 0.01
    min_share_of_last: float = 0.5
    history_days: int = 7
    max_change: float = 3.0
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


@dataclass(frozen=True, eq=False)
class LayerTable:
    """One table in one layer: what one asset reads, checks and publishes; equal only to itself."""

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
    """A source table that is landed in raw and cleaned in staged."""

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
        )
        staged = replace(
            raw,
            layer=Layer.STAGED,
            contract=self.staged,
            description=f"{self.description} Cleaned and typed.",
            source=None,
            inputs={"raw": Input(raw.path, sets_grain=True)},
            transform=self.stage,
        )
        return raw, staged


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
