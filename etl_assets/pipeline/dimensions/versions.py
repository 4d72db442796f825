"""The versions of some keys beside those that are published: which come, and which leave.

Rows of the input that break the contract of the changes are set aside: a version is never made of
them, and the one before goes on as if they had not come.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from etl_assets.core.audit import DayAudit
from etl_assets.core.contracts import column_names
from etl_assets.core.dimension import (
    ROW_DIGEST,
    SCHEMA_VERSION,
    SYNCED_AT,
    Changes,
    Dimension,
    Snapshots,
    unknown_member,
)
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.history import MOMENT, VALID_FROM, versions_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.rows import keys_of, payloads_of
from etl_assets.core.snapshots import IS_GONE, changes_of
from etl_assets.core.table import LayerTable
from etl_assets.core.version_digests import digests_of, numbers_of
from etl_assets.pipeline.dimensions.reading import Bucket
from etl_assets.sources.found import RejectedLines

GONE_AT = "__gone_at"
"""The column of the moment when a key was found to be deleted."""


@dataclass(frozen=True)
class Difference:
    """Of some keys the versions that come and those that leave, both in the contract's columns.

    `aside` are the changes that were set aside; `looked_at` says how the source positions of these
    keys begin, a text for each key.
    """

    coming: pl.DataFrame
    leaving: pl.DataFrame
    aside: RejectedLines
    looked_at: Collection[str]


@dataclass(frozen=True)
class Maker:
    """Makes the versions of a dimension's keys; `now` is the moment of the run.

    `days` are the input's published days, `incomplete` those of which rows were set aside before.
    `deletions` are keys that were deleted, in the columns of `entity`, with the moment in GONE_AT.
    """

    table: LayerTable
    dimension: Dimension
    upstream: LayerTable
    days: Collection[date]
    now: datetime
    incomplete: Collection[date] = ()
    deletions: pl.DataFrame | None = None

    def difference(self, bucket: Bucket) -> Difference:
        """What a bucket's keys have to be, against what is published of them."""
        good, aside = self._checked(bucket.changes)
        shape, history = self.dimension.shape, self.dimension.history
        if isinstance(history, Snapshots):
            good = changes_of(
                good, bucket.changes, shape.key, history.day, self.days, self.incomplete
            )
        if self.deletions is not None and isinstance(history, Changes):
            good = self._with_deletions(good, bucket.changes, self.deletions, history)
        made = self._described(versions_of(good, shape))
        same = [self.dimension.sk, ROW_DIGEST]
        entity = list(self.dimension.entity)
        return Difference(
            coming=made.join(bucket.published, on=same, how="anti"),
            leaving=bucket.published.join(made, on=same, how="anti"),
            aside=aside,
            looked_at=self._positions(bucket.changes.select(entity).unique()),
        )

    def _with_deletions(
        self, good: pl.DataFrame, changes: pl.DataFrame, deletions: pl.DataFrame, history: Changes
    ) -> pl.DataFrame:
        """The changes, and for each key of a deleted entity a change that says so."""
        said = pl.lit(value=False) if history.deleted is None else pl.col(history.deleted)
        keys = changes.select(self.dimension.shape.key).unique()
        gone = keys.join(deletions, on=list(self.dimension.entity), nulls_equal=True).rename(
            {GONE_AT: history.moment}
        )
        return pl.concat(
            [
                good.with_columns(said.fill_null(value=False).alias(IS_GONE)),
                gone.with_columns(pl.lit(value=True).alias(IS_GONE)),
            ],
            how="diagonal",
        )

    def unknown(self) -> pl.DataFrame:
        """The unknown member, as a row of the contract."""
        row = unknown_member(self.table, self.now)
        schema = {c.name: c.dtype for c in self.table.columns if c.name in row}
        return self._with_digest(pl.DataFrame([row], schema=schema))

    def differs(self, unknown: pl.DataFrame) -> bool:
        """Whether the unknown member has to be another one than this."""
        return unknown[ROW_DIGEST].to_list() != self.unknown()[ROW_DIGEST].to_list()

    def _described(self, versions: pl.DataFrame) -> pl.DataFrame:
        """The versions with all that a dimension has beside them, in the contract's columns."""
        key = [*self.dimension.shape.key, VALID_FROM]
        return self._with_digest(
            versions.with_columns(
                numbers_of(versions, key).alias(self.dimension.sk),
                pl.lit(self.now, MOMENT).alias(SYNCED_AT),
                pl.lit(self.dimension.digest).alias(SCHEMA_VERSION),
            )
        )

    def _with_digest(self, rows: pl.DataFrame) -> pl.DataFrame:
        names = column_names(self.table.contract)
        # When and by which declaration it was written says nothing of what it is.
        told = [n for n in names if n not in (ROW_DIGEST, SYNCED_AT, SCHEMA_VERSION)]
        return rows.with_columns(digests_of(rows, told).alias(ROW_DIGEST)).select(names)

    def _checked(self, changes: pl.DataFrame) -> tuple[pl.DataFrame, RejectedLines]:
        """The changes that keep the rules of their contract, and the others, to be set aside."""
        contract = self.dimension.contract
        checked = replace(self.table, contract=contract, dimension=None)
        audit = DayAudit(checked, WHOLE)
        names = column_names(contract)
        ordered = changes.select(names) if set(names) <= set(changes.columns) else changes
        good, bad = audit.split(ordered)
        if audit.missing or audit.extra or audit.wrong_dtypes:
            told = {
                "columns are missing": sorted(audit.missing),
                "columns are too many": sorted(audit.extra),
                "types differ": [f"{name} is {how}" for name, how in audit.wrong_dtypes.items()],
            }
            what = "; ".join(f"{why}: {', '.join(which)}" for why, which in told.items() if which)
            raise ContractMismatch(
                f"`prepare` of {self.table.path} does not make {contract.__name__} ({what}).",
                f"Correct it in {self.table.declared_in}; nothing was published.",
            )
        if bad is None:
            return good, RejectedLines([], [], [])
        history = self.dimension.history
        moment = history.day if isinstance(history, Snapshots) else history.moment
        moments = bad.rows[moment].cast(pl.String)
        positions = [
            f"{key} at {told}" for key, told in zip(self._positions(bad.rows), moments, strict=True)
        ]
        return good, RejectedLines(bad.rules, positions, payloads_of(bad.rows))

    def _positions(self, rows: pl.DataFrame) -> list[str]:
        """`raw/customers_versions customer_id=7`, for each row."""
        own = [column for column in self.table.columns if column.name in self.dimension.entity]
        return [f"{self.upstream.path} {told}" for told in keys_of(rows, own)]
