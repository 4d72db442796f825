"""Events into `events` and `event_ids`: the copy that stays, in the day that it belongs to.

All is in the caller's transaction. Rows of `event_ids` are inserted and then locked in the order of
their ids, and after them the anonymous ids, before any event is written: two loaders wait for each
other and do not deadlock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

import psycopg
from psycopg.types.json import Jsonb

from etl_assets.events.choose import Rank, chosen, rank_of
from etl_assets.events.linking import link_events, lock_links
from etl_assets.events.vocabulary import Event

Status = Literal["pending", "loaded", "duplicate", "superseded", "quarantined"]


@dataclass(frozen=True)
class Verdict:
    """What became of a row of landing, and what is wrong with it.

    `known_as` is the canonical id of a copy that does not stay.
    """

    status: Status
    error: str | None = None
    known_as: str | None = None


@dataclass(frozen=True)
class Merged:
    """What became of copies, by staging id, and contents (canonical id, digest) to compare again.

    Those are of ids whose copy that stays has other content than the one before: the content of
    both. Of copies that lost earlier, only those with one of the two change their status.
    """

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    compare: frozenset[tuple[str, bytes]] = frozenset()

    def __or__(self, later: "Merged") -> "Merged":
        """Of what was merged one after the other; the later verdict on a copy counts."""
        return Merged({**self.verdicts, **later.verdicts}, self.compare | later.compare)


@dataclass(frozen=True)
class _Standing:
    """The copy of an id that stays so far."""

    event_date: date
    staging_id: int
    rank: Rank


def merge(connection: psycopg.Connection[Any], events: Sequence[Event]) -> Merged:
    """Store the events that stay; the verdict on each copy, and on those that stayed before.

    The partitions of their days are there. A copy that is loaded again, because it was received
    earlier than was known, is written again. Raises psycopg.Error.
    """
    best = chosen(events)
    _copy_in(connection, [best[event_id] for event_id in sorted(best)])
    fresh = {event_id for (event_id,) in connection.execute(_INSERT_IDS).fetchall()}
    standing = _lock(connection, sorted(best.keys() - fresh))
    won = {
        event_id
        for event_id, now in standing.items()
        if now.staging_id == best[event_id].copy.staging_id or now.rank < rank_of(best[event_id])
    }
    connection.execute(_DROP_LOSERS, [list(standing.keys() - won)])
    moved = [one for one in won if standing[one].event_date != best[one].event_date]
    devices = [one for (one,) in connection.execute(_DEVICES, [list(won)]).fetchall()]
    lock_links(connection, devices)
    connection.execute(_LEAVE_DAY, [moved, [standing[one].event_date for one in moved]])
    connection.execute(_UPSERT_EVENTS)
    connection.execute(_UPDATE_IDS, [list(won)])
    link_events(connection, devices)
    connection.execute("DROP TABLE batch")
    return Merged(_verdicts(events, best, standing, won), _changed(best, standing, won))


def settle(connection: psycopg.Connection[Any], merged: Merged, taken: Collection[int]) -> None:
    """Write the verdicts into landing, and give copies that lost earlier the status of today.

    A try of each row that was taken is counted. A copy that stayed before and is pending again is
    left alone: who loads it gives its verdict, and may hold it now. Raises psycopg.Error.
    """
    verdicts = merged.verdicts
    numbers = sorted(verdicts)
    connection.execute(
        _SETTLE,
        [
            numbers,
            [verdicts[number].status for number in numbers],
            [verdicts[number].error for number in numbers],
            [verdicts[number].known_as for number in numbers],
            [number in taken for number in numbers],
        ],
    )
    if merged.compare:
        contents = sorted(merged.compare)
        connection.execute(
            _COMPARE, [[known_as for known_as, _ in contents], [digest for _, digest in contents]]
        )


def _verdicts(
    events: Sequence[Event],
    best: Mapping[str, Event],
    standing: Mapping[str, _Standing],
    won: set[str],
) -> dict[int, Verdict]:
    """By staging id; `won` are the ids whose copy that stood before gives way."""
    stays: dict[str, tuple[int, bytes]] = {}
    for event_id, event in best.items():
        now = standing.get(event_id)
        if now is None or event_id in won:
            stays[event_id] = (event.copy.staging_id, event.copy.digest)
        else:
            stays[event_id] = (now.staging_id, now.rank.digest)
    copies = [(one.event_id, one.copy.staging_id, one.copy.digest) for one in events]
    copies += [(one, standing[one].staging_id, standing[one].rank.digest) for one in won]
    verdicts = {}
    for event_id, staging_id, digest in copies:
        winner, winning_digest = stays[event_id]
        if staging_id == winner:
            verdicts[staging_id] = Verdict("loaded")
        else:
            verdicts[staging_id] = Verdict(
                "duplicate" if digest == winning_digest else "superseded", known_as=event_id
            )
    return verdicts


def _changed(
    best: Mapping[str, Event], standing: Mapping[str, _Standing], won: set[str]
) -> frozenset[tuple[str, bytes]]:
    """The contents before and now, of the ids whose content is another one now."""
    pairs = {one: (standing[one].rank.digest, best[one].copy.digest) for one in won}
    return frozenset(
        (one, digest) for one, pair in pairs.items() if pair[0] != pair[1] for digest in pair
    )


def _lock(connection: psycopg.Connection[Any], event_ids: Sequence[str]) -> dict[str, _Standing]:
    """What stays so far of ids that are known, which is the transaction's from here on."""
    if not event_ids:
        return {}
    rows = connection.execute(_LOCK_IDS, [event_ids]).fetchall()
    # A statement of its own: it sees what was committed while the first one waited.
    landed = {
        event_id: (source, landing_id)
        for event_id, source, landing_id in connection.execute(_LANDED, [event_ids]).fetchall()
    }
    return {
        event_id: _Standing(
            day, staging_id, Rank(source_at, sequence, received_at, digest, *landed[event_id])
        )
        for event_id, day, source_at, sequence, received_at, digest, staging_id in rows
    }


def _copy_in(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    """The events as a temporary table `batch`, with the columns of `events`."""
    connection.execute(_MAKE_BATCH)
    with connection.cursor().copy("COPY batch FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(list(_COPIED.values()))
        for event in events:
            copy.write_row(_row(event))


def _row(event: Event) -> tuple[object, ...]:
    said, copy = event.said, event.copy
    return (
        event.event_id,
        event.event_date,
        str(said.event_type),
        copy.source,
        said.source_at,
        copy.received_at,
        said.user_id,
        said.anonymous_id,
        said.session_hint,
        said.product_id,
        said.order_id,
        said.quantity,
        said.price,
        said.currency,
        said.channel,
        str(event.quality),
        Jsonb(list(event.reasons)),
        said.sequence,
        "receipt" if event.placed_by_receipt else "source",
        copy.staging_id,
        copy.digest,
    )


_COPIED: Final = {
    "event_id": "text",
    "event_date": "date",
    "event_type": "text",
    "source": "text",
    "occurred_at": "timestamptz",
    "received_at": "timestamptz",
    "user_id": "text",
    "anonymous_id": "text",
    "session_hint": "text",
    "product_id": "text",
    "order_id": "text",
    "quantity": "int8",
    "price": "numeric",
    "currency": "text",
    "channel": "text",
    "quality": "text",
    "quality_reasons": "jsonb",
    "sequence": "int8",
    "placed_by": "text",
    "staging_id": "int8",
    "payload_digest": "bytea",
}
_COLUMNS: Final = ", ".join(_COPIED)
_SET: Final = ", ".join(
    f"{name} = excluded.{name}" for name in _COPIED if name not in ("event_id", "event_date")
)

_MAKE_BATCH: Final = f"""
    CREATE TEMPORARY TABLE batch ON COMMIT DROP AS
    SELECT {_COLUMNS} FROM public.events WITH NO DATA
"""  # noqa: S608 - the names of columns

_INSERT_IDS: Final = """
    INSERT INTO event_ids
        (event_id, event_date, occurred_at, sequence, received_at, digest, staging_id)
    SELECT event_id, event_date, occurred_at, sequence, received_at, payload_digest, staging_id
    FROM batch ORDER BY event_id COLLATE "C"
    ON CONFLICT (event_id) DO NOTHING RETURNING event_id
"""

_LOCK_IDS: Final = """
    SELECT event_id, event_date, occurred_at, sequence, received_at, digest, staging_id
    FROM event_ids WHERE event_id = ANY(%s) ORDER BY event_id COLLATE "C" FOR UPDATE
"""

_LANDED: Final = """
    SELECT known.event_id, landed.source, landed.event_id
    FROM event_ids known JOIN staging_events landed ON landed.id = known.staging_id
    WHERE known.event_id = ANY(%s)
"""

_DROP_LOSERS: Final = "DELETE FROM batch WHERE event_id = ANY(%s)"

# Of what is written, and of what it takes the place of.
_DEVICES: Final = """
    SELECT anonymous_id FROM batch WHERE anonymous_id IS NOT NULL
    UNION SELECT anonymous_id FROM event_ids JOIN events USING (event_id, event_date)
    WHERE event_id = ANY(%s) AND anonymous_id IS NOT NULL
"""

_LEAVE_DAY: Final = """
    DELETE FROM events USING unnest(%s::text[], %s::date[]) AS old(event_id, event_date)
    WHERE events.event_id = old.event_id AND events.event_date = old.event_date
"""

# The moment of the statement, not of the transaction: it may have waited for a loader that began
# later, and whose row it now replaces.
_UPSERT_EVENTS: Final = f"""
    INSERT INTO events ({_COLUMNS}, processed_at, updated_at)
    SELECT {_COLUMNS}, statement_timestamp(), statement_timestamp() FROM batch
    ON CONFLICT (event_id, event_date) DO UPDATE SET {_SET},
        processed_at = excluded.processed_at, updated_at = excluded.updated_at,
        linked_user_id = CASE WHEN excluded.anonymous_id IS NOT NULL THEN events.linked_user_id END
"""  # noqa: S608 - the names of columns

_UPDATE_IDS: Final = """
    UPDATE event_ids known
    SET event_date = batch.event_date, occurred_at = batch.occurred_at, sequence = batch.sequence,
        received_at = batch.received_at, digest = batch.payload_digest,
        staging_id = batch.staging_id
    FROM batch WHERE known.event_id = batch.event_id AND known.event_id = ANY(%s)
"""

_SETTLE: Final = """
    UPDATE staging_events landed
    SET status = new.status, error = new.error, known_as = new.known_as,
        attempts = landed.attempts + new.is_taken::int
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::boolean[])
        AS new(id, status, error, known_as, is_taken)
    WHERE landed.id = new.id AND (new.is_taken OR landed.status <> 'pending')
"""

# Ids are locked, so that what stays does not change meanwhile. The predicate on the status is that
# of the index.
_COMPARE: Final = """
    UPDATE staging_events landed
    SET status = CASE WHEN landed.digest = known.digest THEN 'duplicate' ELSE 'superseded' END
    FROM unnest(%b::text[], %b::bytea[]) AS content(known_as, digest)
    JOIN event_ids known ON known.event_id = content.known_as
    WHERE landed.known_as = content.known_as AND landed.digest = content.digest
        AND landed.status IN ('duplicate', 'superseded')
        AND (landed.status = 'duplicate') <> (landed.digest = known.digest)
"""
