"""When a request is sent again, and after how long. Pure but for the clock and chance.

What an answer means is decided in `client.py`.
"""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST, _LONGEST = 0.1, 15.0
_AT_ONCE = 0.05


class Again(Exception):
    """A request got no good answer and may be sent again; the message ends a sentence that begins
    with the API. `after` is how long the API asks to wait, in seconds, None if it does not say.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


def asked_to_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds of a `Retry-After`: a number, or a date on the clock of the answer itself.

    A date that is over is 0; None where there is none, or it is neither.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    until = _moment(text)
    if until is None:
        return None
    clock = _moment(headers.get("date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - clock).total_seconds())


def pause(tries: int, after: float | None) -> float:
    """How long to wait after so many tries, in seconds, spread by chance.

    What the API asks for is the least. An API that asks for no wait at all is taken at its word
    once: after that the waits grow as they do where it asks for nothing.
    """
    grown = min(_LONGEST, _FIRST * 2.0 ** min(tries - 1, 20))
    if after is None or (not after and tries > 1):
        return grown * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    return after + random.uniform(0, after / 10 + _AT_ONCE)  # noqa: S311


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
