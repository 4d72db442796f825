"""How many events there are, and where they stand: what `etl-assets events status` shows."""

from dataclasses import dataclass
from typing import Any, Final

import psycopg


@dataclass(frozen=True)
class EventCounts:
    """Counts at one moment.

    `received` are the copies that landed, of which `pending` wait to be loaded, `duplicates` are
    exact copies of one that stays, `superseded` other payloads of its id, `quarantined` could not
    be read. `unique` are the events; `late` those that were received after their UTC day was over.
    """

    received: int
    unique: int
    duplicates: int
    superseded: int
    late: int
    quarantined: int
    pending: int


def counts_of(connection: psycopg.Connection[Any]) -> EventCounts:
    """Count, in one statement and so at one moment; raises psycopg.Error."""
    row = connection.execute(_COUNT).fetchone()
    assert row is not None  # noqa: S101 - a query of counts has a row
    return EventCounts(*row)


def pending_of(connection: psycopg.Connection[Any]) -> int:
    """How many rows wait to be loaded: the queue alone is read; raises psycopg.Error."""
    (found,) = connection.execute(
        "SELECT count(*) FROM staging_events WHERE status = 'pending'"
    ).fetchone() or (0,)
    return int(found)


def retry(connection: psycopg.Connection[Any], source: str | None = None) -> int:
    """Put what is quarantined back into the queue, of one source or of all; how many rows."""
    return connection.execute(_RETRY, [source, source]).rowcount


def has_landed(connection: psycopg.Connection[Any], source: str) -> bool:
    """Whether anything of a source has landed; raises psycopg.Error."""
    found = connection.execute("SELECT FROM staging_events WHERE source = %s LIMIT 1", [source])
    return found.rowcount > 0


_COUNT: Final = """
    SELECT landed.received, ids.unique_ids, landed.duplicates, landed.superseded, days.late,
        landed.quarantined, landed.pending
    FROM (
        SELECT count(*) AS received,
            count(*) FILTER (WHERE status = 'duplicate') AS duplicates,
            count(*) FILTER (WHERE status = 'superseded') AS superseded,
            count(*) FILTER (WHERE status = 'quarantined') AS quarantined,
            count(*) FILTER (WHERE status = 'pending') AS pending
        FROM staging_events
    ) landed,
    (SELECT count(*) AS unique_ids FROM event_ids) ids,
    (
        SELECT count(*) AS late FROM events
        WHERE event_date < (received_at AT TIME ZONE 'UTC')::date
    ) days
"""

_RETRY: Final = """
    UPDATE staging_events SET status = 'pending', attempts = 0, error = NULL
    WHERE status = 'quarantined' AND (%s::text IS NULL OR source = %s)
"""
