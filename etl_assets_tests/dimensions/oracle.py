"""What the versions of changes are, in plain SQL, written apart from the product."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import duckdb
import polars as pl

START = datetime(2026, 1, 1, tzinfo=UTC)


class Change(NamedTuple):
    """A change of a key: `at` in hours after START; `a` is tracked, `b` is not."""

    id: int | None
    at: int
    a: str | None
    b: int | None
    gone: bool = False


class Version(NamedTuple):
    """A version; hours after START, `until` None for no end."""

    id: int | None
    a: str | None
    b: int | None
    since: int
    until: int | None
    is_current: bool
    created: int
    updated: int


_VERSIONS = """
WITH one AS (
    SELECT id, moment, a, b, gone FROM changes
    QUALIFY row_number() OVER (
        PARTITION BY id, moment
        ORDER BY gone DESC, a DESC NULLS LAST, b DESC NULLS LAST
    ) = 1
), told AS (
    SELECT *, lag(a) OVER w AS before, lag(gone) OVER w AS was_gone, lag(moment) OVER w AS previous
    FROM one WINDOW w AS (PARTITION BY id ORDER BY moment)
), bounds AS (
    SELECT id, moment, a, gone FROM told
    WHERE (NOT gone AND (previous IS NULL OR was_gone OR a IS DISTINCT FROM before))
       OR (gone AND previous IS NOT NULL AND NOT was_gone)
), spans AS (
    SELECT id, a, moment AS since, gone,
        (SELECT min(later.moment) FROM bounds AS later
         WHERE later.id IS NOT DISTINCT FROM bounds.id AND later.moment > bounds.moment) AS until
    FROM bounds
), versions AS (
    SELECT spans.id, spans.a, since, until,
        (SELECT max(one.moment) FROM one
         WHERE one.id IS NOT DISTINCT FROM spans.id AND NOT one.gone
           AND one.moment >= since AND (until IS NULL OR one.moment < until)) AS updated
    FROM spans WHERE NOT gone
)
SELECT v.id, v.a,
    (SELECT one.b FROM one
     WHERE one.id IS NOT DISTINCT FROM v.id AND NOT one.gone AND one.moment =
        CASE WHEN $overwrites THEN
            (SELECT max(l.moment) FROM one AS l WHERE l.id IS NOT DISTINCT FROM v.id AND NOT l.gone)
        ELSE v.updated END) AS b,
    v.since, v.until, v.until IS NULL,
    (SELECT min(f.since) FROM versions AS f WHERE f.id IS NOT DISTINCT FROM v.id), v.updated
FROM versions AS v
"""


@cache
def _memory() -> duckdb.DuckDBPyConnection:
    """One database of the process: to start one takes longer than all that is asked of it."""
    return duckdb.connect()


def versions(changes: Sequence[Change], *, overwrites: bool = True) -> set[Version]:
    """The versions of the changes; each once, which the caller compares with a list."""
    memory = _memory()
    memory.execute(
        "CREATE OR REPLACE TABLE changes "
        "(id BIGINT, moment BIGINT, a VARCHAR, b BIGINT, gone BOOLEAN)"
    )
    if changes:
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(changes))
        values = [value for change in changes for value in change]
        memory.execute(f"INSERT INTO changes VALUES {places}", values)
    found = memory.execute(_VERSIONS, {"overwrites": overwrites}).fetchall()
    return {Version(*row) for row in found}


def moment(hours: int) -> datetime:
    """The moment so many hours after START."""
    return START + timedelta(hours=hours)


def hours(at: datetime | None) -> int | None:
    """How many hours after START a moment is."""
    return None if at is None else round((at - START) / timedelta(hours=1))


def told(versions: pl.DataFrame) -> list[Version]:
    """Versions of the product as the oracle has them, in their order."""
    return [
        Version(
            row["id"],
            row["a"],
            row["b"],
            hours(row["valid_from"]) or 0,
            hours(row["valid_to"]),
            row["is_current"],
            hours(row["created_at"]) or 0,
            hours(row["updated_at"]) or 0,
        )
        for row in versions.to_dicts()
    ]
