"""A call that was accepted, and the transaction that many of them land in.

Whether a call is the sender's was decided before.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import psycopg

from etl_assets.events.landing import Arrival, Landed, land

REMEMBERED: Final = timedelta(days=30)
"""How long the id of a call is known: senders try for some days to bring a call."""


class Call(msgspec.Struct, frozen=True):
    """A call: its source, the id that its signature covers, its body's digest, its events.

    `events` are (event id, bytes); `received_at` has a zone.
    """

    source: str
    call_id: str | None
    digest: bytes
    received_at: datetime
    events: list[tuple[str | None, bytes]]

    @property
    def size(self) -> int:
        """Bytes of its events."""
        return sum(len(payload) for _, payload in self.events)


def digest_of(body: bytes) -> bytes:
    """The SHA-256 of a body."""
    return hashlib.sha256(body).digest()


def land_calls(
    connection: psycopg.Connection[Any], calls: Sequence[Call], *, answered: bool = False
) -> tuple[set[int], Landed]:
    """Land the events of calls in the connection's transaction: (places of refused ones, counts).

    A call whose id came before with another body is refused, and nothing of it lands. Calls that
    were `answered` already land whatever their ids are. Raises psycopg.Error.
    """
    refused = set() if answered else _in_conflict(calls)
    known = _remember(connection, [one for n, one in enumerate(calls) if n not in refused])
    if not answered:
        refused |= {
            place
            for place, one in enumerate(calls)
            if one.call_id and known.get((one.source, one.call_id), one.digest) != one.digest
        }
    arrivals = [
        Arrival(one.source, event_id, payload, one.received_at)
        for place, one in enumerate(calls)
        if place not in refused
        for event_id, payload in one.events
    ]
    return refused, land(connection, arrivals)


def forget_calls(connection: psycopg.Connection[Any], now: datetime) -> int:
    """Forget the ids of calls that came more than REMEMBERED before `now`; returns how many."""
    return connection.execute(
        "DELETE FROM webhook_calls WHERE received_at < %s", [now - REMEMBERED]
    ).rowcount


def _in_conflict(calls: Sequence[Call]) -> set[int]:
    """Places of calls whose id an earlier one of the same group has with another body."""
    first: dict[tuple[str, str], bytes] = {}
    return {
        place
        for place, one in enumerate(calls)
        if one.call_id and first.setdefault((one.source, one.call_id), one.digest) != one.digest
    }


def _remember(
    connection: psycopg.Connection[Any], calls: Sequence[Call]
) -> dict[tuple[str, str], bytes]:
    """Write the ids that are new; returns the digest that each id is known with."""
    # Sorted, so that two services that remember at once do not wait for each other in a circle.
    rows = sorted(
        {
            (one.source, one.call_id): (one.source, one.call_id, one.digest, one.received_at)
            for one in reversed(calls)
            if one.call_id
        }.values()
    )
    if not rows:
        return {}
    columns = [list(column) for column in zip(*rows, strict=True)]
    new = connection.execute(_REMEMBER, columns).rowcount
    if new == len(rows):
        return {}
    found = connection.execute(_KNOWN, columns[:2]).fetchall()
    return {(source, call_id): digest for source, call_id, digest in found}


_REMEMBER: Final = """
    INSERT INTO webhook_calls (source, call_id, digest, received_at)
    SELECT source, call_id, digest, received_at
    FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::timestamptz[]) WITH ORDINALITY
        AS come(source, call_id, digest, received_at, place)
    ORDER BY place ON CONFLICT (source, call_id) DO NOTHING
"""

_KNOWN: Final = """
    SELECT source, call_id, known.digest FROM webhook_calls known
    JOIN unnest(%b::text[], %b::text[]) AS come(source, call_id) USING (source, call_id)
"""
