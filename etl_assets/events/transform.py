"""From a landed payload to an event: the road through mapper, ids, moments and quality. Pure.

Which copy of an event stays is `choose.py`, and where it is stored `load.py`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, timedelta

from etl_assets.core.errors import EventRefused
from etl_assets.events.ids import canonical_id
from etl_assets.events.mapping.boundary import object_of
from etl_assets.events.moments import AHEAD, place
from etl_assets.events.quality import judge
from etl_assets.events.vocabulary import Copy, Event, Said

Mapper = Callable[[object], Said]
"""From the fields of a JSON object to what they say; raises EventRefused."""


def event_of(copy: Copy, mappers: Mapping[str, Mapper], ahead: timedelta = AHEAD) -> Event:
    """The event that a payload is; the same for the same copy, whenever it is made.

    `mappers` are by the name of the source in landing. Several partners that speak alike share one:
    `partner_webhook_acme` has that of `partner_webhook`. A clock that is more than `ahead` of the
    receipt is not believed. Raises EventRefused, whose words have no values of the payload.
    """
    mapper = _mapper_of(copy.source, mappers)
    event_id = canonical_id(copy.event_id)
    said = mapper(object_of(copy.payload))
    placed = place(said.source_at, copy.received_at, ahead)
    quality, reasons = judge(said, is_clock_off=placed.is_clock_off)
    return Event(
        event_id=event_id,
        said=said,
        event_date=placed.at.astimezone(UTC).date(),
        placed_by_receipt=placed.by_receipt,
        copy=copy,
        quality=quality,
        reasons=reasons,
    )


def _mapper_of(source: str, mappers: Mapping[str, Mapper]) -> Mapper:
    """That of the source, or of the longest name that its name goes on from."""
    known = [name for name in mappers if source == name or source.startswith(f"{name}_")]
    if not known:
        raise EventRefused(
            "No mapper knows this source.",
            "Add one to etl_assets/events/mapping/, then run etl-assets events retry.",
        )
    return mappers[max(known, key=len)]
