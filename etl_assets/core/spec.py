"""The specs: what a module in `etl_assets/tables/` declares as its `TABLE`.

Frozen data and pure functions only. The layer tables that a spec becomes are `core/table.py`; what
all specs are together is `core/catalog.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

import polars as pl

from etl_assets.core.contracts import Contract
from etl_assets.core.cursor import CursorColumn
from etl_assets.core.cursor_checks import fitting, version_faults
from etl_assets.core.faults import Fault, refuse
from etl_assets.core.policies import (
    FRESH_WITHIN,
    LOOKBACK,
    Arrival,
    Deletes,
    Drift,
    Thresholds,
)
from etl_assets.core.promoted import promoting
from etl_assets.core.source_specs import SourceSpec
from etl_assets.core.spec_checks import table_faults, two_layer_faults
from etl_assets.core.spec_classes import refuse_types, spec_class
from etl_assets.core.table import Input, Layer, LayerTable, versions_of

_LEAST_FRESH = timedelta(minutes=2)
Stage = Callable[[pl.LazyFrame], pl.LazyFrame]


class Enrich(Protocol):
    """A pure function of named upstream frames."""

    def __call__(self, **frames: pl.LazyFrame) -> pl.LazyFrame:
        """From lazy frames in the upstream contracts' dtypes to one in this contract's."""
        ...


@spec_class
@dataclass(frozen=True)
class TableSpec:
    """A source table that is landed in raw and cleaned in staged; SpecError where it cannot be.

    `partition_column` is the column whose UTC day a row belongs to; None makes a table without
    days, which is replaced as a whole when it changed.
    A table with a `cursor_column` syncs: its changed rows are read by (cursor, key). The source
    sets the cursor on every change; it is a column of moments or of dates, several of which the
    greatest counts, or numbers that `Epoch` or `Version` explains. `lookback` is how far back
    each sync reads again, for writers whose clock is behind the source's (C6). `keep_versions`
    keeps every version of a row that was seen in `raw/<name>_versions`. `deletes` and `drift` are
    policies, and `overflow_column` names the contract's JSON column that is not in the source and
    takes, with `Drift.EVOLVE`, the columns that the contract does not have. With `Deletes.KEEP`
    `kept_column` names the contract's nullable moment that is not in the source either: since when
    (UTC, source's clock) the source has no such row, NULL for a row that it has; and
    `keep_before` keeps only rows of days that began longer ago than that: these days are closed,
    neither compared nor loaded again, and in later ones deleted rows leave. `expects` says when a
    day must have arrived: a check and a freshness policy are red when it has not; of a table that
    syncs and expects nothing the policy is red when no sync came through for `fresh_within`, which
    is two minutes at least. `ignore` names
    columns of the source that are left out on purpose: no policy says or keeps anything of them.
    """

    name: str
    source: SourceSpec
    raw: type[Contract]
    staged: type[Contract]
    stage: Stage
    description: str
    partition_column: str | None = "created_at"
    cursor_column: CursorColumn | None = "updated_at"
    domain: str = "sales"
    owners: tuple[str, ...] = ("team:data",)
    thresholds: Thresholds = field(default_factory=Thresholds)
    keep_versions: bool = False
    drift: Drift = Drift.REPORT
    overflow_column: str | None = None
    ignore: Sequence[str] = ()
    deletes: Deletes = Deletes.REMOVE
    kept_column: str | None = None
    keep_before: timedelta | None = None
    lookback: timedelta = LOOKBACK
    expects: Arrival | None = None
    fresh_within: timedelta = FRESH_WITHIN

    def __post_init__(self) -> None:
        faults = list(version_faults(self.cursor_column, self.raw, keeps=self.keep_versions))
        if isinstance(self.ignore, str):
            faults.append(
                Fault("ignore", "it is one text.", f"Write a list of names: [{self.ignore!r}].")
            )
        if not isinstance(self.fresh_within, timedelta) or self.fresh_within < _LEAST_FRESH:
            faults.append(
                Fault(
                    "fresh_within",
                    "a sync cannot come that often.",
                    "Write a timedelta of two minutes or more.",
                )
            )
        raw, staged = self._raw(), self._staged()
        faults += table_faults(raw, contract="raw", transform="")
        faults += table_faults(staged, contract="staged", transform="stage")
        refuse("TableSpec", self.name, faults or two_layer_faults(raw, staged))
        refuse_types(self)

    def layer_tables(self) -> tuple[LayerTable, ...]:
        """`raw/<name>` and `staged/<name>`."""
        raw = self._raw()
        if self.keep_versions:
            raw = replace(raw, versions=versions_of(raw))
        return raw, self._staged()

    def _raw(self) -> LayerTable:
        return LayerTable(
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
            ignore=tuple(self.ignore),
            deletes=self.deletes,
            kept_column=self.kept_column,
            keep_before=self.keep_before,
            lookback=self.lookback,
            expects=self.expects,
            fresh_within=self.fresh_within,
        )

    def _staged(self) -> LayerTable:
        raw = self._raw()
        return replace(
            raw,
            layer=Layer.STAGED,
            contract=self.staged,
            # Staged rows need not say when they changed: nothing is synced from them.
            cursor_column=fitting(self.cursor_column, self.staged),
            description=f"{self.description} Cleaned and typed.",
            source=None,
            expects=None,
            deletes=Deletes.REMOVE,
            kept_column=None,
            keep_before=None,
            inputs={"raw": Input(raw.path, sets_grain=True)},
            transform=promoting(self.staged, self.stage),
        )


@spec_class
@dataclass(frozen=True)
class EnrichedSpec:
    """A table made of other layer tables; SpecError where it cannot be.

    Without a `partition_column` it has no days, and is made of all days of its inputs.
    """

    name: str
    contract: type[Contract]
    inputs: Mapping[str, Input]
    enrich: Enrich | Callable[..., pl.LazyFrame]
    description: str
    partition_column: str | None = "created_at"
    cursor_column: CursorColumn | None = None
    domain: str = "sales"
    owners: tuple[str, ...] = ("team:data",)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        (table,) = self.layer_tables()
        faults = list(table_faults(table, contract="contract", transform="enrich"))
        refuse("EnrichedSpec", self.name, faults)
        refuse_types(self)

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
                transform=promoting(self.contract, self.enrich),
            ),
        )
