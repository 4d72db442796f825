"""Landing: what arrived, written to `staging_events` byte for byte, once for each copy.

Who sends, and what a payload means, does not belong here. An arrival lands by (source, event id,
digest of the payload): what arrives again changes nothing, whoever lands it and however often.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from etl_assets.core.meter import METER

LONGEST_ID: Final = 512
"""Bytes of the longest id that is kept; an index of PostgreSQL takes keys of up to 2,700 bytes."""

_FEW: Final = 500
"""Rows that go as parameters: a temporary table is too much for some hundred groups a second."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A payload as it was received: its source, the sender's own id or None, and the moment."""

    source: str
    event_id: str | None
    payload: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a source was read, in the source's own words."""

    source: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Landed:
    """How many arrivals are in `staging_events` for the first time, and how many were already."""

    new: int
    again: int


def land(
    connection: psycopg.Connection[Any],
    arrivals: Sequence[Arrival],
    cursor: Cursor | None = None,
) -> Landed:
    """Write arrivals, and move their source's cursor, in the transaction of `connection`.

    An id that cannot be a key (empty, longer than LONGEST_ID bytes, or with a NUL) is as if there
    was none: the arrival is known by `sha256:<hex of its payload>`. A copy that was received
    earlier than the one that is there gives it its moment, and makes it pending again: which copy
    of an event stays depends on that moment. Two landers at once wait for each other and never
    deadlock, if each calls this once in a transaction. Raises ValueError for a moment without a
    zone, psycopg.Error.
    """
    METER.count(len(arrivals), sum(len(one.payload) for one in arrivals))
    rows = _rows_of(arrivals)
    new = _land_few(connection, rows) if len(rows) <= _FEW else _land_many(connection, rows)
    if cursor is not None:
        connection.execute(_MOVE_CURSOR, [cursor.source, cursor.cursor, datetime.now(UTC)])
    return Landed(new, len(arrivals) - new)


def cursor_of(connection: psycopg.Connection[Any], source: str) -> str | None:
    """How far a source was read, None if never; locked until the transaction ends."""
    found = connection.execute(
        "SELECT cursor FROM event_cursors WHERE source = %s FOR UPDATE", [source]
    ).fetchone()
    return found[0] if found else None


def digest_of(payload: bytes) -> bytes:
    """The SHA-256 of a payload."""
    return hashlib.sha256(payload).digest()


def landing_id(event_id: str | None, digest: bytes) -> str:
    """What an arrival is known by in `staging_events`: the sender's id where it can be a key."""
    if event_id and event_id.strip() and "\0" not in event_id:
        try:
            if len(event_id.encode()) <= LONGEST_ID:
                return event_id
        except UnicodeEncodeError:  # half of a surrogate pair
            pass
    return f"sha256:{digest.hex()}"


_Row = tuple[str, str, bytes, bytes, datetime]


def _rows_of(arrivals: Sequence[Arrival]) -> list[_Row]:
    """A row a copy with its earliest moment, in the order in which every lander takes its locks."""
    rows: dict[tuple[str, str, bytes], _Row] = {}
    for one in arrivals:
        if one.received_at.tzinfo is None:
            raise ValueError("received_at has no time zone")
        digest = digest_of(one.payload)
        key = (one.source, landing_id(one.event_id, digest), digest)
        if key not in rows or one.received_at < rows[key][-1]:
            rows[key] = (one.source, key[1], one.payload, digest, one.received_at)
    return [rows[key] for key in sorted(rows)]


def _land_few(connection: psycopg.Connection[Any], rows: list[_Row]) -> int:
    if not rows:
        return 0
    columns = [list(column) for column in zip(*rows, strict=True)]
    new = connection.execute(_INSERT.format(arrived=_ARRAYS), columns).rowcount
    if new < len(rows):
        connection.execute(_EARLIER.format(arrived=_ARRAYS), columns)
    return new


def _land_many(connection: psycopg.Connection[Any], rows: list[_Row]) -> int:
    connection.execute(
        "CREATE TEMPORARY TABLE arrived (source text, event_id text, payload bytea, "
        "digest bytea, ingested_at timestamptz, place bigint GENERATED ALWAYS AS IDENTITY) "
        "ON COMMIT DROP"
    )
    with connection.cursor().copy(
        "COPY arrived (source, event_id, payload, digest, ingested_at) FROM STDIN (FORMAT binary)"
    ) as copy:
        copy.set_types(["text", "text", "bytea", "bytea", "timestamptz"])
        for row in rows:
            copy.write_row(row)
    new = connection.execute(_INSERT.format(arrived="arrived")).rowcount
    if new < len(rows):
        connection.execute(_EARLIER.format(arrived="arrived"))
    connection.execute("DROP TABLE arrived")
    return new


_ARRAYS: Final = (
    "unnest(%b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::timestamptz[]) WITH ORDINALITY "
    "AS arrived(source, event_id, payload, digest, ingested_at, place)"
)

_INSERT: Final = """
    INSERT INTO staging_events (source, event_id, payload, digest, ingested_at)
    SELECT source, event_id, payload, digest, ingested_at FROM {arrived} ORDER BY place
    ON CONFLICT (source, event_id, digest) DO NOTHING
"""

# Rows are locked in the order of their ids, for the same reason as arrivals are sorted.
_EARLIER: Final = """
    WITH earlier AS MATERIALIZED (
        SELECT landed.id, arrived.ingested_at FROM {arrived}
        JOIN staging_events landed USING (source, event_id, digest)
        WHERE arrived.ingested_at < landed.ingested_at
        ORDER BY landed.id FOR UPDATE OF landed
    )
    UPDATE staging_events landed
    SET ingested_at = earlier.ingested_at, status = 'pending', attempts = 0, error = NULL,
        archived_at = NULL
    FROM earlier WHERE landed.id = earlier.id AND earlier.ingested_at < landed.ingested_at
"""

_MOVE_CURSOR: Final = """
    INSERT INTO event_cursors AS known (source, cursor, moved_at) VALUES (%s, %s, %s)
    ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, moved_at = excluded.moved_at
"""
