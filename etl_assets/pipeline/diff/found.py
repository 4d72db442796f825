"""What a comparison of published rows with those of the code at hand found. Data only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class RowDifference:
    """One row: `kind` is added, removed or changed. `columns` has (before, after) of each column
    that differs, with personal values hidden; all columns of a row that came or left."""

    day: date | None
    kind: str
    key: str
    columns: Mapping[str, tuple[Any, Any]]


@dataclass
class Difference:
    """What differs in the days that were compared.

    `changed` counts rows of one key with other values, `by_column` the rows in which a column
    differs. `nulls_before` and `nulls_after` count NULLs by column. `new_columns` are in the
    contract only, `gone_columns` in the published table only. `refused` counts rows that a rule of
    the contract at hand would set aside. `blocked` has the checks that would keep a day from being
    published, and `failed` why a day could not be made at all, by day (None without days).
    """

    table: str
    days: list[date] = field(default_factory=list)
    rows_before: int = 0
    rows_after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    by_column: Counter[str] = field(default_factory=Counter)
    nulls_before: Counter[str] = field(default_factory=Counter)
    nulls_after: Counter[str] = field(default_factory=Counter)
    new_columns: Sequence[str] = ()
    gone_columns: Sequence[str] = ()
    refused: Counter[str] = field(default_factory=Counter)
    blocked: dict[date | None, Sequence[str]] = field(default_factory=dict)
    failed: dict[date | None, str] = field(default_factory=dict)
    rows: list[RowDifference] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything would be another way than it is published."""
        rows = self.added or self.removed or self.changed or self.refused.total()
        return bool(rows or self.blocked or self.failed or self.new_columns or self.gone_columns)

    def null_ratios(self) -> dict[str, tuple[float, float]]:
        """The share of NULLs by column, before and after, of columns in which it differs."""
        found = {}
        for name in {*self.nulls_before, *self.nulls_after}:
            before = self.nulls_before[name] / self.rows_before if self.rows_before else 0.0
            after = self.nulls_after[name] / self.rows_after if self.rows_after else 0.0
            if before != after:
                found[name] = (round(before, 6), round(after, 6))
        return dict(sorted(found.items()))

    def as_dict(self) -> dict[str, object]:
        """The same for JSON."""
        return {
            "table": self.table,
            "differs": self.differs,
            "days": [day.isoformat() for day in self.days],
            "rows": {"before": self.rows_before, "after": self.rows_after},
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "changed_by_column": dict(self.by_column.most_common()),
            "null_ratios": {
                name: {"before": one, "after": other}
                for name, (one, other) in self.null_ratios().items()
            },
            "new_columns": list(self.new_columns),
            "gone_columns": list(self.gone_columns),
            "refused_by_rule": dict(self.refused.most_common()),
            "blocked": {_shown(day): list(names) for day, names in self.blocked.items()},
            "failed": {_shown(day): why for day, why in self.failed.items()},
            "sample": [
                {
                    "day": row.day.isoformat() if row.day else None,
                    "kind": row.kind,
                    "key": row.key,
                    "columns": {
                        name: {"before": one, "after": other}
                        for name, (one, other) in row.columns.items()
                    },
                }
                for row in self.rows
            ],
        }


def _shown(day: date | None) -> str:
    return day.isoformat() if day else "all"
