"""Moments of sources: text and numbers as moments in UTC, and which moment an event is placed at.

A source declares how it writes moments; nothing here guesses whether a number counts seconds or
milliseconds, or which zone a text without one was written in.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from etl_assets.core.errors import EventRefused

AHEAD = timedelta(hours=24)
"""How far a source's clock may be ahead of the receipt before it is not believed."""

SINCE = datetime(2000, 1, 1, tzinfo=UTC)
"""An event from before is of a clock that was never set: the shop is younger."""

_ISO = re.compile(
    r"[0-9]{4}(-?)[0-9]{2}\1[0-9]{2}"
    r"([T ][0-9]{2}(:?[0-9]{2}(:?[0-9]{2}([.,][0-9]+)?)?)?(Z|[+-][0-9]{2}(:?[0-9]{2}){0,2})?)?",
    re.IGNORECASE,
)
"""What ISO 8601 looks like, whether or not a calendar has the moment."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_MICROSECONDS = {"seconds": 1_000_000, "milliseconds": 1_000}


def from_iso(text: str, zone: tzinfo | None = None) -> datetime:
    """An ISO 8601 moment in UTC, to the microsecond.

    `zone` is the declared zone of a source that writes no offset. Raises EventRefused for what is
    no moment, for one without an offset if no zone is declared, and for one that the zone's
    clocks show twice or never.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = _in_zone(moment, zone)
        return _bounded(moment.astimezone(UTC))
    except OverflowError:
        raise EventRefused(
            "A moment is at the bounds of the calendar (the years 1 to 9999), or beyond them.",
            "Look whether the source writes such a moment for one that it does not know.",
        ) from None
    except ValueError:
        pass  # ours is raised outside, without the text that Python quotes
    if _ISO.fullmatch(text.strip()):
        raise EventRefused(
            "A moment is written as ISO 8601, but there is no such date, time or offset.",
            "Ask the source: for example February has no 30th, and a minute no second 60.",
        )
    raise EventRefused(
        "A moment is not written as ISO 8601.", "Expected for example 2026-11-28T10:00:00Z."
    )


def from_epoch(number: int | float, unit: Literal["seconds", "milliseconds"]) -> datetime:
    """The moment so many seconds or milliseconds after 1970, in UTC; fractions of a microsecond
    are cut off.

    Raises EventRefused for a number that no calendar has.
    """
    try:
        whole = int(number)
        rest = round((number - whole) * _MICROSECONDS[unit])
        return _bounded(_EPOCH + timedelta(microseconds=whole * _MICROSECONDS[unit] + rest))
    except (ValueError, OverflowError):  # NaN and infinity among them
        raise EventRefused(
            f"A moment in {unit} since 1970 is beyond all calendars.",
            f"Look whether the source counts {unit}.",
        ) from None


@dataclass(frozen=True)
class Placed:
    """The moment that an event counts for, whose it is, and whether the source's clock is off."""

    at: datetime
    by_receipt: bool
    is_clock_off: bool


def place(source_at: datetime | None, received_at: datetime, ahead: timedelta = AHEAD) -> Placed:
    """Where an event belongs: at the source's moment, or at its receipt.

    At its receipt if the source says no moment, one that is more than `ahead` after the receipt,
    or one before `SINCE`. Nothing is shifted: moments of one clock keep their order, or are not
    used at all.
    """
    if source_at is None:
        return Placed(received_at, by_receipt=True, is_clock_off=False)
    if source_at - received_at > ahead or source_at < SINCE:
        return Placed(received_at, by_receipt=True, is_clock_off=True)
    return Placed(source_at, by_receipt=False, is_clock_off=False)


def _in_zone(naive: datetime, zone: tzinfo | None) -> datetime:
    if zone is None:
        raise EventRefused(
            "A moment has no offset, and the source declares no zone.",
            "Declare the zone in the source's mapper, or have the source write offsets.",
        )
    early, late = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        raise EventRefused(
            "A moment without an offset falls into an hour that a clock change repeats or skips.",
            "Have the source write offsets.",
        )
    return early


def _bounded(moment: datetime) -> datetime:
    """PostgreSQL's and Python's calendars have it, also a day earlier and later."""
    if not _FIRST <= moment < datetime(9999, 12, 31, tzinfo=UTC):
        raise OverflowError
    return moment
