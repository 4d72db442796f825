"""The audit of one day: batches go in, good rows come out, and at the end a verdict by check.

Pure Polars and Pandera on data (hazard P1), in memory bounded by a batch. The uniqueness of the key
is a matter of the whole day; whoever holds the day's files counts it and hands the number in.
"""

import hashlib
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from etl_assets.core import checks
from etl_assets.core.checks import CheckResult, CheckSpec, Evidence
from etl_assets.core.contracts import polars_schema
from etl_assets.core.cursor import MOMENT
from etl_assets.core.drift import DriftReport
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


@dataclass(frozen=True)
class Expectation:
    """What the day is held against.

    `source_count` is what the source counts itself, None where it cannot; `published_count` what
    the warehouse holds for the day now, None if nothing; `earlier_counts` the row counts of the
    days before it; `duplicate_keys` how many keys occur more than once, `duplicates` some of them;
    `drift` how the source's columns differ from the contract's, None where nobody looked. `refused`
    are the objects of a day of files that could not be trusted, each with the reason; `objects`
    counts all of them. `look_ups` are surrogate keys of a dimension that rows must not point to, by
    column, some of each; None where nobody looked.
    """

    source_count: int | None
    published_count: int | None = None
    earlier_counts: Sequence[int] = ()
    duplicate_keys: int = 0
    duplicates: Sequence[str] = ()
    drift: DriftReport | None = None
    objects: int = 0
    look_ups: Mapping[str, Sequence[int]] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass
class DayAudit:
    """Feeds on the batches of one day; see `verdict` for what comes out.

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

    def verdict(self, expected: Expectation) -> tuple[CheckResult, ...]:
        """A result for every check of the table (`core/checks.py`), in that order."""
        every = (
            self._result(
                checks.REQUIRED_COLUMNS,
                not (self.missing or self.extra),
                {"missing": sorted(self.missing), "not_in_contract": sorted(self.extra)},
            ),
            self._result(checks.DTYPES, not self.wrong_dtypes, {"wrong": self.wrong_dtypes}),
            self._value_rules(),
            self._null_ratios(),
            self._result(
                checks.UNIQUE_KEY,
                not expected.duplicate_keys,
                {
                    "key": ", ".join(self.table.key),
                    "keys_more_than_once": expected.duplicate_keys,
                    "sample_keys": list(expected.duplicates),
                },
            ),
            self._source_count(expected.source_count),
            self._history(expected.earlier_counts),
            self._shrinkage(expected.published_count),
        )
        own: dict[CheckSpec, Callable[[], CheckResult]] = {
            checks.CURSORS: self._cursors,
            checks.SCHEMA_DRIFT: lambda: self._drift(expected.drift),
            checks.PROMOTED_FIELDS: self._promoted,
            checks.FILES_READ: lambda: self._files(expected),
            checks.ONE_VERSION: lambda: self._look_ups(expected.look_ups),
        }
        return (*every, *(own[check]() for check in self.table.own_checks))

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

    def _value_rules(self) -> CheckResult:
        read = self.good_rows + self.bad_rows
        share = (self.bad_rows - self.tolerated) / read if read else 0.0
        tolerated = self.table.thresholds.max_bad_share
        return self._result(
            checks.VALUE_RULES,
            share <= tolerated,
            {
                "rows": read,
                "bad_rows": self.bad_rows,
                "not_in_the_share": self.tolerated,
                "bad_share": share,
                "tolerated_share": tolerated,
                "broken_rules": [
                    {"rule": rule, "rows": rows, "sample_keys": "; ".join(self.samples[rule])}
                    for rule, rows in self.broken.most_common()
                ],
            },
        )

    def _null_ratios(self) -> CheckResult:
        ratios = self.null_ratios()
        bounds = {
            c.name: c.max_null_ratio for c in self.table.columns if c.max_null_ratio is not None
        }
        over = [
            {"column": name, "null_ratio": ratios[name], "max_null_ratio": bound}
            for name, bound in bounds.items()
            if ratios.get(name, 0.0) > bound
        ]
        return self._result(
            checks.NULL_RATIOS,
            not over,
            {"is_empty": not self.good_rows, "columns_with_a_bound": len(bounds), "over": over},
        )

    def _source_count(self, source_count: int | None) -> CheckResult:
        read = self.good_rows + self.bad_rows - self.gone_rows
        evidence: Evidence = {
            "source_rows": source_count,
            "read_rows": read,
            "to_publish": self.good_rows,
            "quarantined": self.bad_rows,
        }
        if self.gone_rows and source_count is not None:
            evidence = {**evidence, "kept_though_gone": self.gone_rows}
        is_right = source_count is None or read == source_count
        return self._result(checks.SOURCE_COUNT, is_right, evidence)

    def _history(self, earlier: Sequence[int]) -> CheckResult:
        allowed = self.table.thresholds.max_change
        median = statistics.median(earlier) if earlier else None
        usual = median is None or median / allowed <= self.good_rows <= median * allowed
        evidence = {
            "rows": self.good_rows,
            "median_of_earlier_days": median,
            "earlier_days": len(earlier),
            "allowed_factor": allowed,
        }
        return self._result(checks.HISTORY_COUNT, usual, evidence)

    def _shrinkage(self, published: int | None) -> CheckResult:
        least = self.table.thresholds.min_share_of_last
        kept = not published or self.good_rows >= published * least
        evidence = {"rows": self.good_rows, "published_rows": published, "least_share": least}
        return self._result(checks.SHRINKAGE, kept, evidence)

    def _cursors(self) -> CheckResult:
        cursor = self.table.cursor
        absent = self.nulls[cursor.null_count] if cursor else 0
        shown = cursor.shown if cursor else None
        evidence = {"cursor": shown, "without": absent, "in_the_future": self.cursors_ahead}
        return self._result(checks.CURSORS, not absent and not self.cursors_ahead, evidence)

    def _promoted(self) -> CheckResult:
        rows = {
            column.name: self.unfit[column.name] for column in promoted_columns(self.table.contract)
        }
        evidence = {"rows_without_a_value_that_fits": rows}
        return self._result(checks.PROMOTED_FIELDS, not any(rows.values()), evidence)

    def _files(self, expected: Expectation) -> CheckResult:
        first = dict(list(expected.refused.items())[:SAMPLES])
        evidence = {"objects": expected.objects, "refused": len(expected.refused), "why": first}
        return self._result(checks.FILES_READ, not expected.refused, evidence)

    def _look_ups(self, broken: Mapping[str, Sequence[int]] | None) -> CheckResult:
        if broken is None:
            return self._result(checks.ONE_VERSION, True, {"looked_at": "not in this audit"})
        evidence = {"rows": self.good_rows, "wrong": dict(broken)}
        return self._result(checks.ONE_VERSION, not broken, evidence)

    def _drift(self, drift: DriftReport | None) -> CheckResult:
        evidence = drift.evidence() if drift else {"looked_at": "not in this audit"}
        return self._result(checks.SCHEMA_DRIFT, drift is None or not drift.found, evidence)

    def _result(self, check: CheckSpec, passed: bool, evidence: Evidence) -> CheckResult:
        severity = self.table.thresholds.severities.get(check.name, check.severity)
        return CheckResult(check, passed, severity, evidence)


def fingerprint(values: Sequence[str]) -> str:
    """A short digest that is equal for equal sequences."""
    return hashlib.sha256("\x1f".join(values).encode()).hexdigest()[:16]
