"""Whom the events of an anonymous id are linked to: worked out again whenever a reason changes.

The reasons are the events that stay and the links by hand, and nothing else: no order of arrival,
no batch and no clock. Whoever changes a reason holds the anonymous id's lock until the commit.

- An event that names its user is that user's; it has no link.
- Otherwise a link by hand that covers its moment counts; of several the one made last, and of
  those made at the same moment the smallest user id.
- Otherwise it is the user whom the anonymous id names next, after the event's moment, or else the
  one whom it named last. Events of quality `invalid` name nobody; of users named at the same moment
  the smallest id counts. So a user has the half-open interval from the last moment of another
  user to its own last moment, and the last one goes on for good.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import psycopg

_LOCK: Final = 0x6C696E6B  # "link": nobody else's advisory locks in this database
_BUCKETS: Final = 256  # a batch has thousands of ids, and the server's table of locks is small


def lock_links(connection: psycopg.Connection[Any], anonymous_ids: Collection[str]) -> None:
    """Hold the anonymous ids until the transaction ends; before any of their events is written.

    Raises psycopg.Error.
    """
    if not anonymous_ids:
        return
    connection.execute(
        _TAKE_LOCKS, {"lock": _LOCK, "buckets": _BUCKETS, "ids": list(anonymous_ids)}
    )


def link_events(connection: psycopg.Connection[Any], anonymous_ids: Collection[str]) -> int:
    """Set `linked_user_id` of all events of the ids, which are locked; how many events changed.

    Raises psycopg.Error.
    """
    if not anonymous_ids:
        return 0
    return connection.execute(_LINK, {"ids": list(anonymous_ids)}).rowcount


def unlink_events_of_nobody(connection: psycopg.Connection[Any], limit: int) -> int:
    """Take the link from events that name no device, at most `limit`; how many events changed.

    Only a release before this one left such a link. Raises psycopg.Error.
    """
    return connection.execute(_UNLINK, {"limit": limit}).rowcount


def linkable_after(
    connection: psycopg.Connection[Any], last: str | None, limit: int
) -> Sequence[str]:
    """The next anonymous ids that have any reason for a link, or have one, in order of bytes."""
    rows = connection.execute(_LINKABLE, {"last": last or "", "limit": limit}).fetchall()
    return [anonymous_id for (anonymous_id,) in rows]


# In one order for everybody, so that two wait for each other and do not deadlock: the sorted rows
# are made first, and then a lock is taken for each.
_TAKE_LOCKS: Final = """
    WITH buckets AS MATERIALIZED (
        SELECT DISTINCT mod(hashtext(id)::bigint + 2147483648, %(buckets)s)::int AS bucket
        FROM unnest(%(ids)s::text[]) AS id ORDER BY bucket
    )
    SELECT pg_advisory_xact_lock(%(lock)s, bucket) FROM buckets
"""

_LINKABLE: Final = """
    SELECT anonymous_id FROM (
        SELECT anonymous_id FROM events WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL
        UNION SELECT anonymous_id FROM events WHERE linked_user_id IS NOT NULL
        UNION SELECT anonymous_id FROM user_links WHERE undone_at IS NULL
    ) AS found
    WHERE anonymous_id COLLATE "C" > %(last)s ORDER BY anonymous_id COLLATE "C" LIMIT %(limit)s
"""

# Rows are locked in the order in which a loader writes them.
_UNLINK: Final = """
    WITH kept AS MATERIALIZED (
        SELECT event_id, event_date FROM events
        WHERE anonymous_id IS NULL AND linked_user_id IS NOT NULL
        ORDER BY event_id COLLATE "C" LIMIT %(limit)s FOR UPDATE
    )
    UPDATE events SET linked_user_id = NULL, updated_at = statement_timestamp() FROM kept
    WHERE events.event_id = kept.event_id AND events.event_date = kept.event_date
"""

_MOMENT: Final = "CASE placed_by WHEN 'source' THEN occurred_at ELSE received_at END"

_LINK: Final = f"""
    WITH named AS (
        SELECT anonymous_id, {_MOMENT} AS moment, min(user_id COLLATE "C") AS user_id
        FROM events
        WHERE anonymous_id = ANY(%(ids)s) AND user_id IS NOT NULL AND quality <> 'invalid'
        GROUP BY 1, 2
    ),
    followed AS (
        SELECT *, lead(user_id) OVER (PARTITION BY anonymous_id ORDER BY moment) AS next_user_id
        FROM named
    ),
    spans AS (
        SELECT anonymous_id, user_id, next_user_id IS NULL AS is_last,
            lag(moment) OVER (PARTITION BY anonymous_id ORDER BY moment) AS since, moment AS until
        FROM followed WHERE next_user_id IS DISTINCT FROM user_id
    ),
    concerned AS (
        SELECT anonymous_id FROM named
        UNION SELECT anonymous_id FROM user_links
            WHERE anonymous_id = ANY(%(ids)s) AND undone_at IS NULL
        UNION SELECT anonymous_id FROM events
            WHERE anonymous_id = ANY(%(ids)s) AND linked_user_id IS NOT NULL
    ),
    wanted AS (
        SELECT e.event_id, e.event_date, CASE WHEN e.user_id IS NULL THEN coalesce(
            (SELECT l.user_id FROM user_links l
             WHERE l.anonymous_id = e.anonymous_id AND l.undone_at IS NULL
                AND coalesce(l.since <= {_MOMENT}, true) AND coalesce({_MOMENT} < l.until, true)
             ORDER BY l.known_at DESC, l.user_id COLLATE "C" LIMIT 1),
            s.user_id
        ) END AS linked_user_id
        FROM events e LEFT JOIN spans s ON s.anonymous_id = e.anonymous_id
            AND coalesce(s.since <= {_MOMENT}, true) AND (s.is_last OR {_MOMENT} < s.until)
        WHERE e.anonymous_id IN (SELECT anonymous_id FROM concerned)
    )
    UPDATE events SET linked_user_id = wanted.linked_user_id, updated_at = statement_timestamp()
    FROM wanted
    WHERE events.event_id = wanted.event_id AND events.event_date = wanted.event_date
        AND events.linked_user_id IS DISTINCT FROM wanted.linked_user_id
"""  # noqa: S608 - a constant
