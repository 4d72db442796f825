"""The audit of one day: batches go in, good rows come out, and what they break is counted.

Pure Polars and Pandera on data (hazard P1), in memory bounded by a batch. What the counts mean for
the checks of the day is `verdict.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.cursor import MOMENT
from etl_assets.core.frames import WITHOUT
from etl_assets.core.partitions import Window
from etl_assets.core.position import Horizon
from etl_assets.core.promoted import promoted_columns, unfit
from etl_assets.core.rows import keys_of
from etl_assets.core.rules import rules_of
from etl_assets.core.set_aside import counts_as_bad
from etl_assets.core.settling import until
from etl_assets.core.table import LayerTable

SAMPLES = 5
WRONG_DAY = "in_partition"


@dataclass(frozen=True)
class Bad:
    """The bad rows of a batch, with the first rule that each broke (`column: rule`)."""

    rows: pl.DataFrame
    rules: list[str]


@dataclass
class DayAudit:
    """Feeds on the batches of one day, and counts.

    `now` is the source's clock, which no cursor is after (C5); None where that is not looked at.
    Of the `bad_rows` the `tolerated` ones do not count to the share that keeps a day back.
    """

    table: LayerTable
    day: date
    now: datetime | None = None
    good_rows: int = 0
    gone_rows: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)
    nulls: Counter[str] = field(default_factory=Counter)
    missing: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)
    wrong_dtypes: dict[str, str] = field(default_factory=dict)
    bad_rows: int = 0
    tolerated: int = 0
    cursors_ahead: int = 0
    unfit: Counter[str] = field(default_factory=Counter)

    def split(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, Bad | None]:
        """The good rows of a batch, and the bad ones if there are any.

        A batch whose columns or dtypes are not the contract's yields no good rows at all: the day
        cannot be published, and its rows are not judged one by one.
        """
        if not self._fits(batch):
            self.bad_rows += batch.height
            return batch.clear(), None
        masks = self._broken_rules(batch)
        bad: Bad | None = None
        if masks:
            batch, bad = self._set_aside(batch, masks)
        self.good_rows += batch.height
        counted = batch.null_count().row(0)
        self.nulls.update({c: n for c, n in zip(batch.columns, counted, strict=True) if n})
        for column in promoted_columns(self.table.contract):
            self.unfit[column.name] += unfit(batch, column)
        self._see_cursors(batch)
        return batch, bad

    def _see_cursors(self, batch: pl.DataFrame) -> None:
        cursor = self.table.cursor
        if cursor is None:
            return
        if cursor.null_count == WITHOUT:
            self.nulls[WITHOUT] += batch.select(cursor.value.is_null().sum()).item()
        if self.now is None or not cursor.has_moments:
            return
        place = batch.select(cursor.place.alias(WITHOUT))
        if place.schema[WITHOUT] == MOMENT:  # a derived table may have a moment without a zone
            latest = until(cursor, Horizon(self.now, self.now))
            self.cursors_ahead += place.filter(pl.col(WITHOUT) > latest).height

    def keep(self, rows: int, nulls: Mapping[str, int], bad: int, tolerated: int = 0) -> None:
        """Count what stays of the day beside the batches: `nulls` by column, `bad` set aside.

        `tolerated` are those of the latter that do not count as bad (`core/set_aside.py`).
        """
        self.tolerated += tolerated
        self.good_rows += rows
        self.nulls.update(nulls)
        self.bad_rows += bad

    def keep_gone(self, rows: pl.DataFrame) -> None:
        """Count published rows that stay although the source no longer has them.

        They passed the rules of their time, and are not held against those of now: a row that is
        in no other place is not set aside.
        """
        self.gone_rows += rows.height
        counted = rows.null_count().row(0)
        nulls = {c: n for c, n in zip(rows.columns, counted, strict=True) if n}
        self.keep(rows.height, nulls, 0)

    def set_aside(self, rule: str, keys: Sequence[str]) -> None:
        """Put rows on record that break a rule which nothing here checks: `rule`, and their keys.

        It is a rule of the whole table, or of the source that could not hand the rows over.
        """
        self._record(rule, len(keys), list(keys[:SAMPLES]))
        self.bad_rows += len(keys)
        if not counts_as_bad(rule):
            self.tolerated += len(keys)

    def null_ratios(self) -> dict[str, float]:
        """The share of nulls by column among good rows, 0 to 1; an empty day has none (P2)."""
        if not self.good_rows:
            return {}
        return {c.name: self.nulls[c.name] / self.good_rows for c in self.table.columns}

    def copy(self) -> "DayAudit":
        """The same counts, which do not change with this one's."""
        return replace(
            self,
            broken=Counter(self.broken),
            samples={rule: list(keys) for rule, keys in self.samples.items()},
            nulls=Counter(self.nulls),
            missing=set(self.missing),
            extra=set(self.extra),
            wrong_dtypes=dict(self.wrong_dtypes),
            unfit=Counter(self.unfit),
        )

    def _fits(self, batch: pl.DataFrame) -> bool:
        declared = polars_schema(self.table.columns)
        actual = batch.schema
        if actual == declared:
            return True
        self.missing |= declared.keys() - actual.keys()
        self.extra |= actual.keys() - declared.keys()
        self.wrong_dtypes |= {
            name: f"{actual[name]}, declared {dtype}"
            for name, dtype in declared.items()
            if name in actual and actual[name] != dtype
        }
        return not (self.missing or self.extra or self.wrong_dtypes)

    def _broken_rules(self, batch: pl.DataFrame) -> dict[str, pl.Series]:
        """Rule → True where the row keeps it; empty where all rows keep all rules."""
        nulls = {name for name in batch.columns if batch[name].null_count()}
        masks: dict[str, pl.Series] = {}
        for rule in rules_of(self.table.contract):
            if rule.name == "not_null" and rule.column not in nulls:
                continue
            kept = rule.kept(batch)
            if not kept.all():
                masks[f"{rule.column or 'row'}: {rule.name}"] = kept
        if self.table.has_days:
            in_day = self._in_day(batch)
            if not in_day.all():
                masks[f"{self.table.day_column}: {WRONG_DAY}"] = in_day
        return masks

    def _in_day(self, batch: pl.DataFrame) -> pl.Series:
        moment = pl.col(self.table.day_column)
        window = Window.of(self.day)
        dtype = batch.schema[self.table.day_column]
        if dtype == pl.Date:
            kept = moment == pl.lit(self.day)
        else:
            zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
            start, end = (
                m if zoned else m.replace(tzinfo=None) for m in (window.start, window.end)
            )
            kept = moment.is_between(
                pl.lit(start, dtype=dtype), pl.lit(end, dtype=dtype), closed="left"
            )
        return batch.select(kept.fill_null(value=True).alias("kept"))["kept"]

    def _set_aside(
        self, batch: pl.DataFrame, masks: Mapping[str, pl.Series]
    ) -> tuple[pl.DataFrame, Bad]:
        first = pl.coalesce(
            pl.when(~kept.fill_null(value=True)).then(pl.lit(rule)) for rule, kept in masks.items()
        )
        judged = batch.with_columns(first.alias("__rule"))
        rows = judged.filter(pl.col("__rule").is_not_null())
        rules = rows["__rule"].to_list()
        rows = rows.drop("__rule")
        key = [self.table.column(name) for name in self.table.key]
        positions = keys_of(rows, key)
        for rule in dict.fromkeys(rules):
            broke = [p for p, r in zip(positions, rules, strict=True) if r == rule]
            self._record(rule, len(broke), broke[:SAMPLES])
        self.bad_rows += rows.height
        return judged.filter(pl.col("__rule").is_null()).drop("__rule"), Bad(rows, rules)

    def _record(self, rule: str, rows: int, samples: list[str]) -> None:
        self.broken[rule] += rows
        kept = self.samples.setdefault(rule, [])
        kept.extend(samples[: SAMPLES - len(kept)])
