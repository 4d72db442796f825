"""What is in quarantine, for a person: counted by rule, or row by row with personal values hidden.

Which rows are set aside is decided by the checks (`day_check.py`) and the sources. To load days
again is a matter of `orchestration/backfill.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from etl_assets.core.json_objects import Fields, value_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.quarantine_keys import WantedKey
from etl_assets.warehouse.base import Warehouse

HIDDEN = "(personal)"


@dataclass(frozen=True)
class RuleCount:
    """The rows of a table that one rule set aside; `first` and `last` are their days, None for a
    table without days."""

    table: str
    rule: str
    rows: int
    days: int
    first: date | None
    last: date | None


@dataclass(frozen=True)
class SetAside:
    """A row in quarantine: its day (None for a table without days), the first rule that it broke,
    where it stands in the source, and its values as they were read.

    `values` are those of `core/json_objects.py`: numbers have their digits, and a name may come
    twice.
    """

    day: date | None
    rule: str
    position: str
    values: Fields


@dataclass(frozen=True)
class Wanted:
    """Which rows: whose rule has the text in it, of a day, with a key; None for any."""

    rule: str | None = None
    day: date | None = None
    key: WantedKey | None = None

    def of(self, table: LayerTable, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the table's rows, in QUARANTINED_SCHEMA."""
        wanted = pl.lit(value=True)
        if self.rule is not None:
            wanted &= pl.col("rule").str.contains(self.rule, literal=True)
        if self.day is not None:
            wanted &= pl.col("partition_key") == self.day
        found = rows.filter(wanted)
        if self.key is None:
            return found
        places = found.select("partition_key", "source_position", "payload").iter_rows()
        has_key = [self.key.finds(table, *place) is not None for place in places]
        return found.filter(pl.Series(has_key, dtype=pl.Boolean))


def counts(warehouse: Warehouse, tables: Iterable[LayerTable]) -> list[RuleCount]:
    """How many rows each rule set aside, by table, most first."""
    found = []
    for table in tables:
        by_rule = (
            warehouse.quarantined(table)
            .group_by("rule")
            .agg(
                pl.len().alias("rows"),
                pl.col("partition_key").n_unique().alias("days"),
                pl.col("partition_key").min().alias("first"),
                pl.col("partition_key").max().alias("last"),
            )
            .sort("rows", "rule", descending=[True, False])
        )
        for rule, rows, days, first, last in by_rule.iter_rows():
            found.append(RuleCount(table.path, rule, rows, days, _day(first), _day(last)))
    return found


def rows_of(
    warehouse: Warehouse, table: LayerTable, wanted: Wanted, most: int, *, personal: bool = False
) -> tuple[Sequence[SetAside], int]:
    """The first `most` of the rows by day and position, and how many there are.

    Values of personal columns are hidden unless `personal`.
    """
    found = wanted.of(table, warehouse.quarantined(table)).sort(
        "partition_key", "source_position", "rule"
    )
    shown = [
        SetAside(_day(day), rule, position, _values(table, payload, personal=personal))
        for day, rule, position, payload in found.head(most).iter_rows()
    ]
    return shown, found.height


def days_of(warehouse: Warehouse, table: LayerTable, wanted: Wanted) -> list[date]:
    """The parts that have such rows, WHOLE for a table without days."""
    return sorted(set(wanted.of(table, warehouse.quarantined(table))["partition_key"]))


def _values(table: LayerTable, payload: str, *, personal: bool) -> Fields:
    secret = {name for c in table.columns if c.personal for name in (c.name, c.in_source)}
    try:
        found = value_of(payload)
    except ValueError:
        found = None
    if not isinstance(found, Fields):  # a line that is no row may hold anything
        return Fields([("raw", HIDDEN if secret and not personal else payload)])
    if personal or not secret:
        return found
    names = {c.name for c in table.columns} | {c.in_source for c in table.columns}
    # A value under a name that the contract does not know may be anything, a whole line as well.
    return Fields(
        (name, HIDDEN if name in secret or name not in names else value) for name, value in found
    )


def _day(part: date) -> date | None:
    return None if part == WHOLE else part
