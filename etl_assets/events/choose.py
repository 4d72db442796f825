"""Which copy of an event stays: one rule within a batch, across batches and across sources. Pure.

It is a total order of arrivals, made of the arrival alone. Therefore the copy that stays is the
same whatever order they arrive in, and to compare with the one that stays now is enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import total_ordering

from etl_assets.events.vocabulary import Event

_NEVER = datetime.min.replace(tzinfo=UTC)


@total_ordering
@dataclass(frozen=True)
class Rank:
    """How a copy stands among those of its id; the greater one stays.

    The newest moment of the source's clock, then the highest sequence, then the earliest received,
    then the smallest digest, then the first source by name, then the first spelling of the id. A
    copy that does not say its moment or its sequence stands behind all that do. Exact copies are
    equal in all that the source said, so that of them the earliest received stays.
    """

    source_at: datetime | None
    sequence: int | None
    received_at: datetime
    digest: bytes
    source: str
    landing_id: str

    def __lt__(self, other: "Rank") -> bool:
        mine, others = self._said(), other._said()
        if mine != others:
            return mine < others
        # What comes first stays: the order is turned round.
        return self._landed() > other._landed()

    def _said(self) -> tuple[bool, datetime, bool, int]:
        return (
            self.source_at is not None,
            self.source_at or _NEVER,
            self.sequence is not None,
            self.sequence or 0,
        )

    def _landed(self) -> tuple[datetime, bytes, str, str]:
        return (self.received_at, self.digest, self.source, self.landing_id)


def rank_of(event: Event) -> Rank:
    """The event's rank among the copies of its id."""
    said, copy = event.said, event.copy
    return Rank(
        said.source_at, said.sequence, copy.received_at, copy.digest, copy.source, copy.event_id
    )


def chosen(events: Iterable[Event]) -> dict[str, Event]:
    """By id the one event that stays."""
    best: dict[str, Event] = {}
    for event in events:
        now = best.get(event.event_id)
        if now is None or rank_of(now) < rank_of(event):
            best[event.event_id] = event
    return best
