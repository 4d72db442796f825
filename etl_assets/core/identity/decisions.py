"""What people decided of pairs of records: a log, and what holds of it.

The log is kept whole; where it is kept is said by whoever has a `DecisionStore`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, Protocol

import polars as pl

from etl_assets.core.errors import StateError
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA

Record = tuple[str, str]
"""(source_system, source_id)."""


class DecisionStore(Protocol):
    """Where decisions are kept; it only grows."""

    def read(self) -> pl.LazyFrame:
        """All decisions, in DECISIONS_SCHEMA."""
        ...

    def append(self, decision: pl.DataFrame) -> None:
        """Keep one more row of DECISIONS_SCHEMA."""
        ...


@dataclass(frozen=True)
class Standing:
    """What holds of a pair, `left` before `right` in alphabetical order, and who said so."""

    left: Record
    right: Record
    decision: Literal["merge", "unmerge"]
    decided_by: str
    decided_at: datetime
    reason: str

    def __str__(self) -> str:
        """One line: the decision, the pair, who and when; not the reason, which is free text."""
        pair = f"{'/'.join(self.left)} and {'/'.join(self.right)}"
        return f"{self.decision} of {pair} by {self.decided_by}, {self.decided_at:%Y-%m-%d}"


def decide(
    decision: Literal["merge", "unmerge"],
    left: Record,
    right: Record,
    *,
    by: str,
    at: datetime,
    reason: str,
) -> pl.DataFrame:
    """One row of DECISIONS_SCHEMA; StateError if the two are one record."""
    if left == right:
        raise StateError(f"{'/'.join(left)} is one record.", "Name two records.")
    row = (*min(left, right), *max(left, right), decision, by, at.astimezone(UTC), reason)
    return pl.DataFrame([row], schema=DECISIONS_SCHEMA, orient="row")


def standing(decisions: pl.DataFrame) -> list[Standing]:
    """What holds of each pair that somebody decided, from DECISIONS_SCHEMA, sorted by pair.

    The last decision of a pair holds, with one exception: an unmerge that follows a merge takes it
    back, so that the two together are as if neither had been said. An unmerge of a pair of which no
    merge holds keeps the two apart for good, until a merge. Copies of a row count once; of two
    decisions in one moment the unmerge counts as the later one.
    """
    rows = sorted({_paired(row) for row in decisions.select(DECISIONS_SCHEMA.names()).iter_rows()})
    found = []
    for (left, right), log in groupby(rows, key=lambda row: row[:2]):
        apart: Standing | None = None
        merged: Standing | None = None
        for *_, at, decision, by, reason in log:
            if decision == "merge":
                merged = Standing(left, right, "merge", by, at, reason)
            elif merged:
                merged = None
            else:
                apart = Standing(left, right, "unmerge", by, at, reason)
        if (holds := merged or apart) and left != right:
            found.append(holds)
    return found


def _paired(
    row: tuple[str, str, str, str, str, str | None, datetime, str | None],
) -> tuple[Record, Record, datetime, str, str, str]:
    """A decision with its pair in order, so that rows sort by pair, moment and decision."""
    *ids, decision, by, at, reason = row
    left, right = sorted([(ids[0], ids[1]), (ids[2], ids[3])])
    return left, right, at, decision, by or "", reason or ""
