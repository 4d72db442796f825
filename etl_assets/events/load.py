"""From landing into `events`: batches of the queue, transformed, merged and settled as one.

What a payload means is `transform.py`, which copy stays `choose.py`, how rows are written
`merge.py`. Several loaders may run at once, in any number of processes: each takes rows of the
queue that nobody else has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Final

import psycopg

from etl_assets.core.errors import EventRefused, SourceUnavailable
from etl_assets.core.meter import METER
from etl_assets.events.database import EventsDatabase
from etl_assets.events.merge import Merged, Verdict, merge, settle
from etl_assets.events.moments import AHEAD
from etl_assets.events.partitions import ensure_partitions
from etl_assets.events.transform import Mapper, event_of
from etl_assets.events.vocabulary import Copy, Event

LIMIT: Final = 5_000
"""Rows of the queue that are one transaction."""

ATTEMPTS: Final = 3
"""How often a row is tried before it is quarantined."""

_TRIES: Final = 4
"""Of a batch whose transaction the server undid: for a deadlock with a writer of landing."""


@dataclass(frozen=True)
class LoadedEvents:
    """What became of the rows that were taken from the queue, each counted once in a batch.

    In a sum of batches a row that is tried again is among `taken` and `refused` each time.
    `loaded` are the copies that stay, `duplicates` exact copies of those, `superseded` other
    payloads of their ids, `refused` could not be read and are tried again, `quarantined` are not.
    """

    taken: int = 0
    loaded: int = 0
    duplicates: int = 0
    superseded: int = 0
    refused: int = 0
    quarantined: int = 0

    @property
    def read(self) -> int:
        """The rows that could be read, each once in a sum of batches too."""
        return self.loaded + self.duplicates + self.superseded

    def __add__(self, other: "LoadedEvents") -> "LoadedEvents":
        names = [one.name for one in fields(self)]
        return LoadedEvents(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True)
class Rules:
    """How rows are read: the mappers by source, how far a clock may be ahead, tries of a row."""

    mappers: Mapping[str, Mapper]
    ahead: timedelta = AHEAD
    attempts: int = ATTEMPTS


def load(
    database: EventsDatabase,
    rules: Rules,
    limit: int = LIMIT,
) -> LoadedEvents:
    """Load the oldest rows of the queue that nobody else has, at most `limit`, in one transaction.

    Events, statuses and attempts are committed together, or not at all. Where the server undid it
    for a deadlock it is done again. Raises SourceUnavailable, SourceError; then nothing changed.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _load(database, limit, rules)
        except _Undone:
            if not left:
                raise SourceUnavailable(
                    "Others changed the same events again and again while they were loaded.",
                    "Run it again; nothing was lost.",
                ) from None
    raise AssertionError("The last try returns or raises.")


def load_all(
    database: EventsDatabase,
    rules: Rules,
    limit: int = LIMIT,
    told: Callable[[LoadedEvents], None] = lambda _batch: None,
) -> LoadedEvents:
    """Load until nothing is pending; `told` of each batch. Raises as `load` does."""
    total = LoadedEvents()
    while True:
        batch = load(database, rules, limit)
        if not batch.taken:
            return total
        told(batch)
        total += batch


def _load(database: EventsDatabase, limit: int, rules: Rules) -> LoadedEvents:
    with database.transaction("loading events") as connection, _undone_is_told():
        copies = _take(connection, limit)
        METER.count(len(copies), sum(len(copy.payload) for copy in copies))
        events, refused = _transformed(copies, rules)
        if events:
            # In a transaction of its own: others need them, and should not wait for this batch.
            with database.transaction("making partitions of events") as apart:
                ensure_partitions(apart, {event.event_date for event in events})
        merged = _merged(connection, events)
        by_id = {copy.staging_id: copy for copy in copies}
        verdicts = {**merged.verdicts}
        verdicts |= {number: _failed(by_id[number], why, rules) for number, why in refused.items()}
        for number, verdict in verdicts.items():
            if verdict.error is not None and number not in refused:
                verdicts[number] = _failed(by_id[number], verdict.error, rules)
        settle(connection, replace(merged, verdicts=verdicts), by_id.keys())
        return _counted(copies, verdicts)


class _Undone(Exception):
    """The server undid the transaction, to let another one go on."""


@contextmanager
def _undone_is_told() -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
        raise _Undone from None


def _take(connection: psycopg.Connection[Any], limit: int) -> list[Copy]:
    """The oldest pending rows that no other loader has; they are this transaction's."""
    rows = connection.execute(
        "SELECT id, source, event_id, payload, digest, ingested_at, attempts FROM staging_events "
        "WHERE status = 'pending' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        [limit],
        binary=True,
    ).fetchall()
    return [Copy(*row) for row in rows]


def _transformed(copies: Iterable[Copy], rules: Rules) -> tuple[list[Event], dict[int, str]]:
    """The events of the copies that can be read, and why the others cannot, by staging id."""
    events, refused = [], {}
    for copy in copies:
        try:
            events.append(event_of(copy, rules.mappers, rules.ahead))
        except EventRefused as error:
            refused[copy.staging_id] = str(error)
        except Exception as error:  # one payload that a mapper stumbles over must not stop the rest
            refused[copy.staging_id] = (
                f"The mapper of {copy.source} failed ({type(error).__name__}). Correct it, then "
                "run etl-assets events retry."
            )
    return events, refused


def _merged(connection: psycopg.Connection[Any], events: Sequence[Event]) -> Merged:
    """Merge the events; what the server refuses to store is found by halves, and left out."""
    if not events:
        return Merged()
    try:
        with connection.transaction():  # a savepoint
            return merge(connection, events)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        if len(events) == 1:
            state = error.sqlstate
            refusal = (
                f"The database refused the event (SQLSTATE {state}). Correct the source or its "
                "mapper, then run etl-assets events retry."
            )
            return Merged({events[0].copy.staging_id: Verdict("pending", refusal)})
    # By id, so that locks are taken in the same order as by everybody else.
    ordered = sorted(events, key=lambda event: event.event_id)
    middle = len(ordered) // 2
    return _merged(connection, ordered[:middle]) | _merged(connection, ordered[middle:])


def _failed(copy: Copy, why: str, rules: Rules) -> Verdict:
    is_last = copy.attempts + 1 >= rules.attempts
    return Verdict("quarantined" if is_last else "pending", why)


def _counted(copies: Sequence[Copy], verdicts: Mapping[int, Verdict]) -> LoadedEvents:
    statuses = [verdicts[copy.staging_id].status for copy in copies]
    return LoadedEvents(
        taken=len(copies),
        loaded=statuses.count("loaded"),
        duplicates=statuses.count("duplicate"),
        superseded=statuses.count("superseded"),
        refused=statuses.count("pending"),
        quarantined=statuses.count("quarantined"),
    )
