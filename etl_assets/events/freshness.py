"""How fresh the sources of events are: what `etl-assets status` shows of them.

Everything comes from the index `staging_events_freshness`, a few entries a source, so that a large
table costs no more than a small one. Counts of all that ever landed are `counts.py`.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import psycopg

from etl_assets.config import Settings
from etl_assets.core.errors import EtlError
from etl_assets.events.database import POOL, SETTING, open_events

MOST: Final = 10_000
"""What is counted of a source and status; beyond it is "more than 10,000"."""

_PATIENCE: Final = replace(POOL, size=1, max_overflow=0, connect_timeout=3, statement_timeout=5)
_SLOW: Final = (
    "If events migrate was not run since the last upgrade, the index for it is missing: run "
    "etl-assets events migrate."
)


@dataclass(frozen=True)
class SourceFreshness:
    """One source at one moment; times are UTC.

    `newest_at` is when its latest arrival was received, `oldest_pending_at` the earliest of those
    that wait to be loaded, None where none does. `pending` and `quarantined` count to MOST + 1.
    """

    source: str
    newest_at: datetime
    pending: int
    oldest_pending_at: datetime | None
    quarantined: int


def freshness_of(connection: psycopg.Connection[Any]) -> list[SourceFreshness]:
    """Every source that something ever arrived from, by name; raises psycopg.Error."""
    rows = connection.execute(_FRESHNESS, {"most": MOST + 1}).fetchall()
    return [SourceFreshness(*row) for row in rows]


def look(settings: Settings) -> list[SourceFreshness]:
    """The same of the database of EVENTS_DATABASE_URL, which must be set; nothing is written.

    It waits three seconds for the server and five for its answer. Raises ConfigError, SourceError,
    SourceUnavailable.
    """
    try:
        with (
            closing(open_events(settings, _PATIENCE, reads_only=True)) as database,
            database.transaction("looking how fresh events are", "read") as connection,
        ):
            return freshness_of(connection)
    except EtlError as error:
        if "57014" in error.what:
            raise type(error)(error.what, _SLOW) from None
        raise


def notes(found: Iterable[SourceFreshness]) -> Sequence[str]:
    """What a person should do about it, a sentence or two each."""
    bad = [one.source for one in found if one.quarantined]
    if not bad:
        return []
    return [
        f"Events of {', '.join(bad)} are quarantined: column error of staging_events in "
        f"{SETTING} says why. After a correction run etl-assets events retry."
    ]


# The order lets a count end at its limit: without it all of a backlog would be gathered first.
_FRESHNESS: Final = """
    WITH RECURSIVE sources AS (
        (SELECT source FROM staging_events ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (
            SELECT next.source FROM staging_events AS next
            WHERE next.source > sources.source ORDER BY next.source LIMIT 1
        )
        FROM sources WHERE sources.source IS NOT NULL
    )
    SELECT sources.source, newest.at, pending.number, oldest.at, quarantined.number
    FROM sources,
    LATERAL (
        SELECT max(latest.ingested_at) AS at
        FROM unnest(ARRAY['pending', 'loaded', 'duplicate', 'superseded', 'quarantined'])
            AS one(status),
        LATERAL (
            SELECT ingested_at FROM staging_events AS landed
            WHERE landed.source = sources.source AND landed.status = one.status
            ORDER BY ingested_at DESC LIMIT 1
        ) AS latest
    ) AS newest,
    LATERAL (
        SELECT count(*) AS number FROM (
            SELECT FROM staging_events AS landed
            WHERE landed.source = sources.source AND landed.status = 'pending'
            ORDER BY landed.ingested_at LIMIT %(most)s
        ) AS counted
    ) AS pending,
    LATERAL (
        SELECT min(first.ingested_at) AS at FROM (
            SELECT ingested_at FROM staging_events AS landed
            WHERE landed.source = sources.source AND landed.status = 'pending'
            ORDER BY ingested_at LIMIT 1
        ) AS first
    ) AS oldest,
    LATERAL (
        SELECT count(*) AS number FROM (
            SELECT FROM staging_events AS landed
            WHERE landed.source = sources.source AND landed.status = 'quarantined'
            ORDER BY landed.ingested_at LIMIT %(most)s
        ) AS counted
    ) AS quarantined
    WHERE sources.source IS NOT NULL AND newest.at IS NOT NULL
    ORDER BY sources.source
"""
