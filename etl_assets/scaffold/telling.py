"""What is told of a proposed table of a database: reasons, warnings, what was read. Pure."""

from collections.abc import Mapping, Sequence

import polars as pl

from etl_assets.core.wording import count_of
from etl_assets.scaffold.days import Change, Day
from etl_assets.scaffold.facts import KINDS, TableFacts
from etl_assets.scaffold.names import Named, shown
from etl_assets.scaffold.proposal import ProposedColumn, Reason

_POSTGRES_MOST = 1_596


def reasons(
    facts: TableFacts, key: Sequence[str], day: Day, change: Change, names: Mapping[str, Named]
) -> list[Reason]:
    """Why key, day and cursor are what they are."""
    assert facts.key is not None  # noqa: S101 - the caller asked
    why = facts.key.why
    if not facts.key.is_proven:
        why += ". Rows that have the same key are set aside together"
    cursor = ", ".join(names[column].name for column in change.columns)
    return [
        Reason("key", ", ".join(key), why, not facts.key.is_proven),
        Reason("day", names[day.column].name if day.column else "none", day.why),
        Reason("cursor", cursor or "none", change.why),
    ]


def warnings(
    columns: Sequence[ProposedColumn],
) -> list[str]:
    """What a person should decide or know of the columns."""
    told = []
    personal = [column.name for column in columns if column.options.get("personal")]
    if personal:
        told.append(
            f"Personal columns: {shown(personal, 8)}. Their values are masked wherever they would "
            "be shown. Names and samples do not tell everything: look at the others."
        )
    if len(columns) > _POSTGRES_MOST:
        told.append(
            f"{count_of(len(columns), 'column')} are more than a warehouse in PostgreSQL holds "
            "beside the "
            f"platform's own ({_POSTGRES_MOST:,}): leave some out with `ignore`. DuckDB and "
            "BigQuery hold them."
        )
    clocks = [column.name for column in columns if column.dtype == pl.Datetime("us")]
    if clocks:
        told.append(
            f"{shown(clocks)}: timestamps without a time zone, kept as they stand. If you know "
            "their zone, --zone makes moments of them."
        )
    return told


def looked_at(facts: TableFacts) -> str:
    """What the relation is, and how much of it was read."""
    kind, rows = KINDS.get(facts.relation.kind, "table"), facts.rows
    begin = f"a {kind} with {count_of(len(facts.columns), 'column')}"
    if rows is None:
        return f"{begin}, never analysed; {count_of(facts.sample.height, 'row')} were read"
    if rows == 0:
        return f"{begin} and no rows"
    if facts.is_counted:
        return f"{begin} and {count_of(rows, 'row')}, {'which was' if rows == 1 else 'all'} read"
    return f"{begin} and about {count_of(rows, 'row')}, of which {facts.sample.height:,} were read"
