"""The verdict on a day: from what its audit counted, and what it is held against, to a result for
each check.

Rows are counted in `audit.py`; what checks there are is `checks.py`. The uniqueness of the key is a
matter of the whole day: whoever holds the day's files counts it and hands the number in.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from etl_assets.core import checks
from etl_assets.core.audit import SAMPLES, DayAudit
from etl_assets.core.checks import CheckResult, CheckSpec, Evidence
from etl_assets.core.drift import DriftReport
from etl_assets.core.promoted import promoted_columns


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


@dataclass(frozen=True)
class Verdict:
    """What becomes of a day whose rows an audit has seen, held against what is `expected` of it."""

    audit: DayAudit
    expected: Expectation

    def results(self) -> tuple[CheckResult, ...]:
        """A result for every check of the table (`core/checks.py`), in that order."""
        audit, expected = self.audit, self.expected
        every = (
            self._result(
                checks.REQUIRED_COLUMNS,
                not (audit.missing or audit.extra),
                {"missing": sorted(audit.missing), "not_in_contract": sorted(audit.extra)},
            ),
            self._result(checks.DTYPES, not audit.wrong_dtypes, {"wrong": audit.wrong_dtypes}),
            self._value_rules(),
            self._null_ratios(),
            self._result(
                checks.UNIQUE_KEY,
                not expected.duplicate_keys,
                {
                    "key": ", ".join(audit.table.key),
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
        return (*every, *(own[check]() for check in audit.table.own_checks))

    def _value_rules(self) -> CheckResult:
        read = self.audit.good_rows + self.audit.bad_rows
        share = (self.audit.bad_rows - self.audit.tolerated) / read if read else 0.0
        tolerated = self.audit.table.thresholds.max_bad_share
        return self._result(
            checks.VALUE_RULES,
            share <= tolerated,
            {
                "rows": read,
                "bad_rows": self.audit.bad_rows,
                "not_in_the_share": self.audit.tolerated,
                "bad_share": share,
                "tolerated_share": tolerated,
                "broken_rules": [
                    {"rule": rule, "rows": rows, "sample_keys": "; ".join(self.audit.samples[rule])}
                    for rule, rows in self.audit.broken.most_common()
                ],
            },
        )

    def _null_ratios(self) -> CheckResult:
        ratios = self.audit.null_ratios()
        bounds = {
            c.name: c.max_null_ratio
            for c in self.audit.table.columns
            if c.max_null_ratio is not None
        }
        over = [
            {"column": name, "null_ratio": ratios[name], "max_null_ratio": bound}
            for name, bound in bounds.items()
            if ratios.get(name, 0.0) > bound
        ]
        return self._result(
            checks.NULL_RATIOS,
            not over,
            {
                "is_empty": not self.audit.good_rows,
                "columns_with_a_bound": len(bounds),
                "over": over,
            },
        )

    def _source_count(self, source_count: int | None) -> CheckResult:
        read = self.audit.good_rows + self.audit.bad_rows - self.audit.gone_rows
        evidence: Evidence = {
            "source_rows": source_count,
            "read_rows": read,
            "to_publish": self.audit.good_rows,
            "quarantined": self.audit.bad_rows,
        }
        if self.audit.gone_rows and source_count is not None:
            evidence = {**evidence, "kept_though_gone": self.audit.gone_rows}
        is_right = source_count is None or read == source_count
        return self._result(checks.SOURCE_COUNT, is_right, evidence)

    def _history(self, earlier: Sequence[int]) -> CheckResult:
        allowed = self.audit.table.thresholds.max_change
        median = statistics.median(earlier) if earlier else None
        usual = median is None or median / allowed <= self.audit.good_rows <= median * allowed
        evidence = {
            "rows": self.audit.good_rows,
            "median_of_earlier_days": median,
            "earlier_days": len(earlier),
            "allowed_factor": allowed,
        }
        return self._result(checks.HISTORY_COUNT, usual, evidence)

    def _shrinkage(self, published: int | None) -> CheckResult:
        least = self.audit.table.thresholds.min_share_of_last
        kept = not published or self.audit.good_rows >= published * least
        evidence = {"rows": self.audit.good_rows, "published_rows": published, "least_share": least}
        return self._result(checks.SHRINKAGE, kept, evidence)

    def _cursors(self) -> CheckResult:
        cursor = self.audit.table.cursor
        absent = self.audit.nulls[cursor.null_count] if cursor else 0
        shown = cursor.shown if cursor else None
        evidence = {"cursor": shown, "without": absent, "in_the_future": self.audit.cursors_ahead}
        return self._result(checks.CURSORS, not absent and not self.audit.cursors_ahead, evidence)

    def _promoted(self) -> CheckResult:
        rows = {
            column.name: self.audit.unfit[column.name]
            for column in promoted_columns(self.audit.table.contract)
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
        evidence = {"rows": self.audit.good_rows, "wrong": dict(broken)}
        return self._result(checks.ONE_VERSION, not broken, evidence)

    def _drift(self, drift: DriftReport | None) -> CheckResult:
        evidence = drift.evidence() if drift else {"looked_at": "not in this audit"}
        return self._result(checks.SCHEMA_DRIFT, drift is None or not drift.found, evidence)

    def _result(self, check: CheckSpec, passed: bool, evidence: Evidence) -> CheckResult:
        severity = self.audit.table.thresholds.severities.get(check.name, check.severity)
        return CheckResult(check, passed, severity, evidence)
