"""Links by hand: who made them, and their undoing. What they mean for events is `linking.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from etl_assets.core.errors import ConfigError
from etl_assets.events.database import EventsDatabase
from etl_assets.events.linking import (
    link_events,
    linkable_after,
    lock_links,
    unlink_events_of_nobody,
)

_BATCH: Final = 500
"""Anonymous ids that are one transaction."""
_EVENTS: Final = 5_000
"""Events that are one transaction."""


@dataclass(frozen=True)
class UserLink:
    """`anonymous_id` was `user_id` from `since` up to, not including, `until`, in UTC.

    None is without a bound. `known_at` is when it was made, `reason` what was said about it.
    """

    link_id: int
    anonymous_id: str
    user_id: str
    since: datetime | None
    until: datetime | None
    known_at: datetime
    reason: str | None
    undone_at: datetime | None


def link(
    database: EventsDatabase,
    anonymous_id: str,
    user_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    reason: str | None = None,
) -> int:
    """Make a link; how many events changed. The moments have a zone.

    White space around an id is no part of it, as in events. Raises ConfigError for a blank id and
    for an interval without a moment in it; SourceUnavailable, SourceError.
    """
    anonymous_id, user_id = anonymous_id.strip(), user_id.strip()
    for name, given in (("anonymous", anonymous_id), ("user", user_id)):
        if not given:
            raise ConfigError(
                f"The {name} id is blank, and no event has a blank one.",
                "Give both: etl-assets events link ANONYMOUS USER.",
            )
    if since is not None and until is not None and since >= until:
        raise ConfigError(
            "A link must begin before it ends.", "Give --since an earlier moment than --until."
        )
    with database.transaction("linking an anonymous id") as connection:
        lock_links(connection, [anonymous_id])
        # The moment of the statement: of two at once the one that waited counts.
        connection.execute(
            "INSERT INTO user_links (anonymous_id, user_id, since, until, reason, known_at, "
            "created_at, updated_at) VALUES (%s, %s, %s, %s, %s, statement_timestamp(), "
            "statement_timestamp(), statement_timestamp())",
            [anonymous_id, user_id, since, until, reason],
        )
        return link_events(connection, [anonymous_id])


def has_events(database: EventsDatabase, anonymous_id: str) -> bool:
    """Whether any event has the anonymous id; raises SourceUnavailable, SourceError."""
    with database.transaction("looking for events of an anonymous id", "read") as connection:
        found = connection.execute(
            "SELECT FROM events WHERE anonymous_id = %s LIMIT 1", [anonymous_id.strip()]
        )
        return found.rowcount > 0


def unlink(
    database: EventsDatabase, anonymous_id: str, user_id: str | None = None
) -> tuple[int, int]:
    """Undo the links by hand of an id, or only those to a user: links undone, events changed.

    Raises SourceUnavailable, SourceError.
    """
    with database.transaction("undoing links") as connection:
        lock_links(connection, [anonymous_id])
        undone = connection.execute(
            "UPDATE user_links SET undone_at = statement_timestamp(), "
            "updated_at = statement_timestamp() WHERE anonymous_id = %s AND undone_at IS NULL "
            "AND (%s::text IS NULL OR user_id = %s)",
            [anonymous_id, user_id, user_id],
        ).rowcount
        return undone, link_events(connection, [anonymous_id])


def links(database: EventsDatabase) -> Sequence[UserLink]:
    """All links by hand, those that were undone too, in the order in which they were made.

    Raises SourceUnavailable, SourceError.
    """
    with (
        database.transaction("reading links", "read") as connection,
        connection.cursor(row_factory=class_row(UserLink)) as cursor,
    ):
        return cursor.execute(
            "SELECT link_id, anonymous_id, user_id, since, until, known_at, reason, undone_at "
            "FROM user_links ORDER BY link_id"
        ).fetchall()


def relink(database: EventsDatabase) -> int:
    """Work out the links of all events again: how many events changed.

    After an upgrade from an earlier release, and after events were written by one; otherwise it
    changes nothing. Raises SourceUnavailable, SourceError.
    """
    changed, last = 0, None
    while True:
        with database.transaction("unlinking events without a device") as connection:
            unlinked = unlink_events_of_nobody(connection, _EVENTS)
        if not unlinked:
            break
        changed += unlinked
    while True:
        with database.transaction("linking all events") as connection:
            ids = linkable_after(connection, last, _BATCH)
            if not ids:
                return changed
            lock_links(connection, ids)
            changed += link_events(connection, ids)
        last = ids[-1]
