"""The audit of one day: batches go in, good rows come out, and what they break is counted.

Pure Polars and Pandera on data (hazard P1), in memory bounded by a batch. What the counts mean for
the checks of the day is `verdict.py`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
_NULLS, _KEPT, _AHEAD = "n", "k", "a"  # what the answers about a batch begin with


@dataclass(frozen=True)
class Bad:
    """The bad rows of a batch, with the first rule that each broke (`column: rule`)."""

    rows: pl.DataFrame
    rules: list[str]


@dataclass(frozen=True)
class _Seen:
    """What one pass over a batch has seen: NULLs by column, the rules that all rows are known to
    keep (their numbers, and WRONG_DAY), and how many cursors are ahead of the source's clock."""

    nulls: Mapping[str, int]
    kept: Collection[str]
    ahead: int


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
        found = self._look(batch)
        masks = self._broken_rules(batch, found)
        bad: Bad | None = None
        if masks:
            batch, bad = self._set_aside(batch, masks)
            found = self._look(batch)
        self.good_rows += batch.height
        self.nulls.update({name: n for name, n in found.nulls.items() if n})
        self.cursors_ahead += found.ahead
        for column in promoted_columns(self.table.contract):
            self.unfit[column.name] += unfit(batch, column)
        return batch, bad

    def _look(self, batch: pl.DataFrame) -> "_Seen":
        """All that is asked of every batch, in one pass over it."""
        asked = {_NULLS + name: pl.col(name).null_count() for name in batch.columns}
        asked |= {
            _KEPT + str(number): rule.row.all()
            for number, rule in enumerate(rules_of(self.table.contract))
            if rule.row is not None
        }
        if self.table.has_days:
            asked[_KEPT + WRONG_DAY] = self._in_day(batch).all()
        cursor = self.table.cursor
        if cursor is not None and cursor.null_count == WITHOUT:
            asked[_NULLS + WITHOUT] = cursor.value.is_null().sum()
        ahead = self._is_ahead(batch)
        if ahead is not None:
            asked[_AHEAD] = ahead.sum()
        answers = batch.select(**asked).row(0, named=True)
        return _Seen(
            {name.removeprefix(_NULLS): n for name, n in answers.items() if name[0] == _NULLS},
            {name.removeprefix(_KEPT) for name, n in answers.items() if n is True},
            answers.get(_AHEAD, 0),
        )

    def _is_ahead(self, batch: pl.DataFrame) -> pl.Expr | None:
        """That a row's cursor is after the source's clock; None where that is not looked at."""
        cursor = self.table.cursor
        if cursor is None or self.now is None or not cursor.has_moments:
            return None
        # A derived table may have a moment without a zone.
        if batch.lazy().select(cursor.place.alias(WITHOUT)).collect_schema()[WITHOUT] != MOMENT:
            return None
        return cursor.place > until(cursor, Horizon(self.now, self.now))

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

    def _broken_rules(self, batch: pl.DataFrame, found: "_Seen") -> dict[str, pl.Series]:
        """Rule → True where the row keeps it; empty where all rows keep all rules."""
        masks: dict[str, pl.Series] = {}
        for number, rule in enumerate(rules_of(self.table.contract)):
            if str(number) in found.kept:
                continue
            kept = rule.kept(batch)
            if not kept.all():
                masks[f"{rule.column or 'row'}: {rule.name}"] = kept
        if self.table.has_days and WRONG_DAY not in found.kept:
            in_day = batch.select(self._in_day(batch).alias("kept"))["kept"]
            masks[f"{self.table.day_column}: {WRONG_DAY}"] = in_day
        return masks

    def _in_day(self, batch: pl.DataFrame) -> pl.Expr:
        """That a row is on the day, or has none."""
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
        return kept.fill_null(value=True)

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
