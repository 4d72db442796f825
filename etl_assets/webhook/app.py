"""The service's paths: what a call is answered, and when.

2xx is said only when the payload is committed, in the database or on the disk of the spool. The
document that describes the paths is `openapi.py`; starting the service is `serve.py`.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from etl_assets.config import WebhookSettings
from etl_assets.webhook.calls import Call, digest_of
from etl_assets.webhook.groups import Groups
from etl_assets.webhook.items import Malformed, split
from etl_assets.webhook.keeper import Keeper, Kept
from etl_assets.webhook.limits import Bucket, Gone, TooLarge, TooSlow, drop_body, read_body
from etl_assets.webhook.metrics import UNKNOWN, Metrics
from etl_assets.webhook.openapi import document
from etl_assets.webhook.schemes import NotSigned, Scheme, scheme_of

_JSON: Final = re.compile(
    r"application/(json|[a-z0-9.-]+\+json)\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?;?\s*",
    re.IGNORECASE,
)
_AGAIN_SECONDS: Final = 5


@dataclass(frozen=True)
class _Source:
    name: str
    scheme: Scheme
    bucket: Bucket


class _Refused(Exception):
    """A call that is not kept: its status, a word for the metrics, what the sender reads."""

    def __init__(
        self,
        status: int,
        outcome: str,
        why: str,
        *,
        after: int = 0,
        is_unread: bool = False,
        ends: bool = False,
    ) -> None:
        self.status, self.outcome, self.why = status, outcome, why
        self.headers = {"retry-after": str(after)} if after else {}
        if ends:
            self.headers["connection"] = "close"
        self.is_unread = is_unread  # the body, or the rest of it


_KEPT: Final = {
    Kept.LANDED: (200, "landed"),
    Kept.SPOOLED: (202, "spooled"),
}


class Service:
    """The endpoints, on what keeps calls and counts them."""

    def __init__(self, settings: WebhookSettings, keeper: Keeper, metrics: Metrics) -> None:
        """Raises ConfigError for a scheme or a secret that cannot be used."""
        self._settings, self._keeper, self._metrics = settings, keeper, metrics
        self._groups = Groups(keeper, metrics)
        self._sources = {
            name: _Source(name, scheme_of(name, one.scheme, one.secrets), Bucket(settings.rate))
            for name, one in settings.sources.items()
        }

    def app(self) -> Starlette:
        """The ASGI application."""
        get = {"methods": ["GET"]}
        return Starlette(
            routes=[
                Route("/webhooks/{source}", self.receive, methods=["POST"]),
                Route("/health", self.health, **get),  # type: ignore[arg-type]
                Route("/ready", self.ready, **get),  # type: ignore[arg-type]
                Route("/metrics", self.show_metrics, **get),  # type: ignore[arg-type]
                Route("/openapi.json", self.describe, **get),  # type: ignore[arg-type]
            ],
            exception_handlers={HTTPException: _as_json},
            lifespan=self._life,
        )

    async def receive(self, request: Request) -> Response:
        """Keep a call, or say why not."""
        began = time.perf_counter()
        source = self._sources.get(request.path_params["source"])
        name = source.name if source else UNKNOWN
        self._metrics.received.labels(name).inc()
        try:
            status, outcome, events = await self._kept(request, source)
            answer = JSONResponse({"status": outcome, "events": events}, status)
        except _Refused as refused:
            status, outcome = refused.status, refused.outcome
            if refused.is_unread and not await self._dropped(request):
                refused.headers["connection"] = "close"
            answer = JSONResponse({"error": refused.why}, status, refused.headers)
        self._metrics.answered.labels(name, outcome, str(status)).inc()
        self._metrics.seconds.labels(outcome).observe(time.perf_counter() - began)
        return answer

    async def health(self, _request: Request) -> Response:
        """The process is there."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Whether a call that comes now can be kept."""
        away = self._keeper.is_away
        status = "spooling" if away else "ok"
        if not self._keeper.is_ready:
            return JSONResponse({"status": "away"}, 503, {"retry-after": str(_AGAIN_SECONDS)})
        return JSONResponse({"status": status})

    async def show_metrics(self, _request: Request) -> Response:
        """The counters, in Prometheus' text format."""
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    async def describe(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(document(self._settings))

    async def _kept(self, request: Request, source: _Source | None) -> tuple[int, str, int]:
        """(status, outcome, events) of a call that is kept; raises _Refused."""
        if source is None:
            raise _Refused(404, "unknown_source", "there is no such source", is_unread=True)
        headers = request.scope["headers"]
        _check_content(headers)
        body = await self._body(request)
        received_at = datetime.now(UTC)
        try:
            call_id = source.scheme.verify(headers, body, received_at.timestamp())
        except NotSigned as error:
            raise _Refused(401, "not_signed", str(error)) from None
        # Only signed calls count: no stranger can use up what a partner may send.
        if after := source.bucket.take(time.monotonic()):
            raise _Refused(429, "too_many", "too many calls in a second", after=after)
        try:
            events = split(body, call_id)
        except Malformed as error:
            raise _Refused(400, "malformed", str(error)) from None
        digest = digest_of(body)
        kept = await self._groups.keep(Call(source.name, call_id, digest, received_at, events))
        if kept is Kept.CONFLICT:
            raise _Refused(409, "conflict", "this webhook-id came before with another body")
        if kept is Kept.NOWHERE:
            raise _Refused(503, "away", "the call cannot be kept now", after=_AGAIN_SECONDS)
        return *_KEPT[kept], len(events)

    async def _body(self, request: Request) -> bytes:
        most, seconds = self._settings.body_bytes, self._settings.read
        announced = request.headers.get("content-length", "")
        try:
            if _waits(request) and announced.isdecimal() and int(announced) > most:
                raise TooLarge(is_read=False)
            return await read_body(request.receive, most, seconds)
        except TooLarge as error:
            why = f"a body has at most {most} bytes"
            raise _Refused(413, "too_large", why, is_unread=not error.is_read) from None
        except TooSlow:
            why = f"a body must come within {seconds:g} seconds"
            raise _Refused(408, "too_slow", why, ends=True) from None
        except Gone:
            raise _Refused(400, "gone", "the body is not whole", ends=True) from None

    async def _dropped(self, request: Request) -> bool:
        """Read what is left of the body; returns whether the connection may go on."""
        waits = _waits(request)
        return not waits and await drop_body(request.receive, self._settings.body_bytes)

    @asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(work) for work in (self._groups.work(), self._keeper.look_after())
        ]
        yield
        await self._groups.finish()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._keeper.close()


def _waits(request: Request) -> bool:
    """Whether the sender asks before it sends the body; reading it would say yes."""
    return request.headers.get("expect", "").lower() == "100-continue"


def _check_content(headers: list[tuple[bytes, bytes]]) -> None:
    """Raises _Refused unless the body is said to be plain JSON in UTF-8."""
    types = [value.decode("latin-1") for name, value in headers if name == b"content-type"]
    encodings = [value for name, value in headers if name == b"content-encoding"]
    if len(types) != 1 or not _JSON.fullmatch(types[0]):
        raise _Refused(
            415, "content_type", "the content type is not application/json", is_unread=True
        )
    if any(value.lower() != b"identity" for value in encodings):
        raise _Refused(415, "content_type", "a body must not be compressed", is_unread=True)


async def _as_json(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
