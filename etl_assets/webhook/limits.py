"""How much a sender may ask for: calls a second, bytes of a body, seconds to send it."""

import asyncio
import math
from typing import Final

from starlette.types import Receive

_DROP_SECONDS: Final = 1.0


class TooLarge(Exception):
    """The body has more bytes than it may have; some may not have been read yet."""

    def __init__(self, *, is_read: bool) -> None:
        self.is_read = is_read


class TooSlow(Exception):
    """The body did not come in time."""


class Gone(Exception):
    """The sender went away before the body was whole."""


class Bucket:
    """Lets `rate` calls a second through, as many at once after a second of silence."""

    def __init__(self, rate: int) -> None:
        self._rate = float(rate)
        self._left, self._at = self._rate, -math.inf

    def take(self, now: float) -> int:
        """0 if a call may go on, else after how many whole seconds to try again.

        `now` is a monotonic clock in seconds.
        """
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) / self._rate))


async def drop_body(receive: Receive, most: int) -> bool:
    """Read and forget what is left of a body; returns whether it came whole.

    A sender that is cut off in the middle of sending does not see the answer, so that some of it is
    read first: up to `most` bytes, for a second.
    """
    size = 0
    try:
        async with asyncio.timeout(_DROP_SECONDS):
            while size <= most:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return False
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        pass
    return False


async def read_body(receive: Receive, most: int, seconds: float) -> bytes:
    """The body, of at most `most` bytes, sent within `seconds`; raises TooLarge, TooSlow, Gone."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > most:
                    raise TooLarge(is_read=not message.get("more_body", False))
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise TooSlow from None
