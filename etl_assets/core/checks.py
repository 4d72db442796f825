"""What a check is here: a name, a severity, and after an audit a verdict with its evidence.

The checks are the same for every table, and two more for every source; what each demands comes from
the table's contract and thresholds (`core/verdict.py`). Nobody writes one by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from etl_assets.core.source_specs import SourceSpec

Evidence = Mapping[str, object]


class Severity(StrEnum):
    """An error keeps the day from being published; a warning only shows."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True)
class CheckSpec:
    """A check that every table has."""

    name: str
    description: str
    severity: Severity = Severity.ERROR


REQUIRED_COLUMNS = CheckSpec(
    "required_columns", "Every column of the contract is there, and no other."
)
DTYPES = CheckSpec("dtypes", "Every column has the dtype that the contract declares.")
VALUE_RULES = CheckSpec(
    "value_rules",
    "Required values are there, in range, in the allowed set and in the partition's day; "
    "a tolerated share of bad rows is set aside in etl_quarantine.",
)
NULL_RATIOS = CheckSpec("null_ratios", "No column has a larger share of nulls than it may.")
UNIQUE_KEY = CheckSpec("unique_key", "No key occurs twice in the partition.")
SOURCE_COUNT = CheckSpec(
    "row_count_against_source",
    "Rows read = rows published + rows quarantined, and as many as the source counts itself.",
)
HISTORY_COUNT = CheckSpec(
    "row_count_against_earlier_days",
    "The day has about as many rows as the days before it.",
    Severity.WARN,
)
SHRINKAGE = CheckSpec(
    "row_count_against_published",
    "The day did not lose most of the rows that are published already.",
)

CURSORS = CheckSpec(
    "cursor_values",
    "Every row says when it changed, and none says that it will: others are synced all the same, "
    "but each sync reads them again.",
    Severity.WARN,
)
SCHEMA_DRIFT = CheckSpec(
    "schema_drift",
    "The source table has the columns that the contract reads, and the same as last time.",
    Severity.WARN,
)

CHECKS: tuple[CheckSpec, ...] = (
    REQUIRED_COLUMNS,
    DTYPES,
    VALUE_RULES,
    NULL_RATIOS,
    UNIQUE_KEY,
    SOURCE_COUNT,
    HISTORY_COUNT,
    SHRINKAGE,
)
"""Of every table."""

FILES_READ = CheckSpec(
    "files_read",
    "Every object of the day could be read to its end and trusted; the day is published without "
    "those that could not.",
    Severity.WARN,
)

PROMOTED_FIELDS = CheckSpec(
    "promoted_fields",
    "Every value of a promoted field fits its column; one that does not is NULL there, and stays "
    "whole in the JSON column.",
    Severity.WARN,
)
"""Of a table with columns that are made of fields (`core/promoted.py`)."""

ARRIVED = CheckSpec(
    "arrived",
    "The newest day that must be there by now is published, with as many rows as are expected.",
)
"""Of a table with `expects` in its spec: it is not about a day that is loaded, but about one that
fails to come, so that no audit has it (`core/arrivals.py`)."""

DAYS_REFUSED = CheckSpec(
    "days_refused",
    "No day of the table is refused or waits to be loaded again: every published one is as it "
    "should be.",
)
"""Of every table that is loaded, as a whole: no audit has it, it counts what audits refused."""

SOURCE_CHECKS: tuple[CheckSpec, ...] = (CURSORS, SCHEMA_DRIFT)
"""Of a table that is read from a source, as well."""

FILE_CHECKS: tuple[CheckSpec, ...] = (SCHEMA_DRIFT, FILES_READ)
"""Of a table that is read from files, instead: files have no cursor."""


ONE_VERSION = CheckSpec(
    "one_version",
    "Each row points to exactly one version of each dimension that it looks up, which held at the "
    "row's time: a join to it neither loses nor doubles a row.",
)
"""Of a table that looks dimensions up, as well."""


def source_checks(source: SourceSpec | None) -> tuple[CheckSpec, ...]:
    """The checks that a table has because of its source, None for a derived one."""
    if source is None:
        return ()
    cursors = (CURSORS,) if source.HAS_CURSOR else ()
    return (*cursors, SCHEMA_DRIFT, *((FILES_READ,) if source.OF_OBJECTS else ()))


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check on one day; evidence holds numbers and keys, no personal data."""

    check: CheckSpec
    passed: bool
    severity: Severity
    evidence: Evidence

    @property
    def blocks(self) -> bool:
        """Whether the day may not be published."""
        return not self.passed and self.severity is Severity.ERROR
