"""Columns that the source computes: how a spec declares them. Data only.

A column of the contract that the source table does not have, by its name. Its dtype is read as if
the table had it, so that it may be the partition column, a part of the key or anything else. The
SQL of them is `sources/postgres/computed.py`, what can be wrong with them
`core/postgres_spec_checks.py`.
"""

import re
from dataclasses import dataclass

from etl_assets.core.spec_classes import spec_class


@spec_class
@dataclass(frozen=True)
class DayIn:
    """The day on the calendar of a zone (pl.Date) at the moment of a column.

    `column` is a column of the contract, the parent's among them, or one of the source table that
    the contract does not have. It has a time zone in the source, or `source_zone` in the contract.
    `zone` is an IANA name. A day of 23 or 25 hours is one day, as the zone's clock has it (C18);
    what the clock shows is computed by PostgreSQL with its own zone data, everywhere.
    """

    column: str
    zone: str


@spec_class
@dataclass(frozen=True)
class Sql:
    """An expression over the columns of the source table, in PostgreSQL's SQL.

    Columns are named as they are, or as `t.column` and `parent.column` where the table has a
    parent. The expression must not fail for any row, and give the same for the same row at any
    time; it gives NULL for a row that has no value.
    """

    expression: str


Computed = DayIn | Sql


def shown_of(computed: Computed) -> str:
    """What it is made of, for a page about the table."""
    if isinstance(computed, DayIn):
        return f"the day of `{computed.column}` in {computed.zone}"
    return f"computed: `{' '.join(computed.expression.split())}`"


def words_of(computed: Computed) -> set[str]:
    """Every word in it, the names of the columns that it is computed from among them."""
    if isinstance(computed, DayIn):
        return {computed.column}
    plain, quoted = (
        re.findall(r"\w+", computed.expression),
        re.findall(r'"([^"]+)"', computed.expression),
    )
    return {*plain, *quoted}
