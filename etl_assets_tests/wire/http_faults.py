"""What can go wrong with an HTTP request on its way, and the rules that say with which one.

Carrying requests is in `http_proxy.py`.
"""

import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

WITHIN_SECONDS = 120  # only for what never happens: the machine may be busy
_REASONS = {429: "rateLimitExceeded"}


class Exchange(Protocol):
    """A request that has been read whole, in a fault's hands; nothing has been forwarded yet."""

    def forward(self) -> None:
        """Ask the server and keep its answer."""

    def answer(self, most: int | None = None) -> None:
        """Send the client the server's answer, asking for it if that was not done.

        With `most`, of the body only so many bytes; then the connection closes.
        """

    def answer_with(self, status: int, body: bytes) -> None:
        """Send the client a JSON answer that is not the server's."""

    def hang_up(self) -> None:
        """Close the client's connection without a byte (FIN)."""

    def reset(self) -> None:
        """Break the client's connection (RST)."""


class Fault(ABC):
    """What a rule does to the requests that it is for."""

    @abstractmethod
    def befall(self, exchange: Exchange) -> None:
        """Deal with the request: answer, hang up or reset."""

    def let_go(self) -> None:  # noqa: B027 - most hold nothing
        """Stop waiting: the proxy closes."""


@dataclass(frozen=True)
class Answer(Fault):
    """An error in Google's form in place of the server's answer; the server is not asked."""

    status: int
    reason: str = ""

    def befall(self, exchange: Exchange) -> None:
        reason = self.reason or _REASONS.get(self.status, "backendError")
        message = f"a fault of the test: {reason}"
        errors = [{"reason": reason, "domain": "global", "message": message}]
        body = {"error": {"code": self.status, "message": message, "errors": errors}}
        exchange.answer_with(self.status, json.dumps(body).encode())


@dataclass(frozen=True)
class S3Answer(Fault):
    """An error in S3's form in place of the server's answer; the server is not asked."""

    status: int
    code: str

    def befall(self, exchange: Exchange) -> None:
        body = f"<Error><Code>{self.code}</Code><Message>a fault of the test</Message></Error>"
        exchange.answer_with(self.status, body.encode())


@dataclass(frozen=True)
class CutAnswer(Fault):
    """Of the body of the server's answer so many bytes arrive, then the connection closes."""

    after: int

    def befall(self, exchange: Exchange) -> None:
        exchange.answer(self.after)


@dataclass(frozen=True)
class DropAnswer(Fault):
    """The server does what it was asked, the client never hears of it."""

    def befall(self, exchange: Exchange) -> None:
        exchange.forward()
        exchange.hang_up()


@dataclass(frozen=True)
class Reset(Fault):
    """The connection breaks before the server has heard of the request."""

    def befall(self, exchange: Exchange) -> None:
        exchange.reset()


@dataclass(frozen=True)
class Delay(Fault):
    """The request is late by some seconds; a proxy that closes does not wait for them."""

    seconds: float
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def befall(self, exchange: Exchange) -> None:
        self._closed.wait(self.seconds)
        exchange.answer()

    def let_go(self) -> None:
        self._closed.set()


@dataclass(frozen=True)
class Hold(Fault):
    """The request waits for `release`, `reached` says that it does, `over` that nothing is left.

    It waits on the way to the server, or, with `done`, when the server has done it and only the
    answer is missing. In between a test can kill something. With `lost` it never arrives.
    """

    done: bool = False
    lost: bool = False
    reached: threading.Event = field(default_factory=threading.Event, repr=False)
    release: threading.Event = field(default_factory=threading.Event, repr=False)
    over: threading.Event = field(default_factory=threading.Event, repr=False)

    def befall(self, exchange: Exchange) -> None:
        try:
            if self.done:
                exchange.forward()
            self.reached.set()
            self.release.wait(WITHIN_SECONDS)
            if self.lost:
                exchange.reset()
            else:
                exchange.answer()
        finally:
            self.over.set()

    def let_go_on(self) -> None:
        """Release the request, and return when the server has answered it, or it is lost."""
        self.release.set()
        assert self.over.wait(WITHIN_SECONDS), f"the request is not over in {WITHIN_SECONDS} s"

    def let_go(self) -> None:
        self.release.set()

    def wait(self) -> None:
        """Return when a request is held."""
        assert self.reached.wait(WITHIN_SECONDS), f"no request to hold in {WITHIN_SECONDS} s"


@dataclass(frozen=True, eq=False)
class Rule:
    """Which requests a fault befalls.

    `path` is a regular expression, searched for in path and query; `body` judges the request's
    body. Of the requests that fit, the first `skip` pass, then the fault befalls `times` (None:
    all). A request that one rule lets pass is offered to the next.
    """

    fault: Fault
    method: str | None = None
    path: str = ""
    body: Callable[[bytes], bool] | None = None
    skip: int = 0
    times: int | None = 1

    def fits(self, method: str, path: str, body: bytes) -> bool:
        """Whether the rule is about this request, whatever its turn."""
        return (
            self.method in (None, method)
            and re.search(self.path, path) is not None
            and (self.body is None or self.body(body))
        )

    def has_turn(self, earlier: int) -> bool:
        """Whether the fault befalls a request that fits, after so many others that did."""
        return earlier >= self.skip and (self.times is None or earlier < self.skip + self.times)
