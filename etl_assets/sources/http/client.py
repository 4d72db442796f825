"""A kept client for one HTTP API: a request, sent again for as long as that may help.

Each request has its own patience, so that a list that gets on may take as long as it needs. What
pages are is `paging.py`, what an answer must be `answers.py`, the waits are `retrying.py`.
"""

import logging
import ssl
import time
from collections.abc import Callable, Collection
from functools import cache, partial
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import stamina
import stamina.instrumentation

from etl_assets.config import HttpSettings, shown_url
from etl_assets.core.errors import ConfigError, SourceError, SourceUnavailable
from etl_assets.core.http_connections import HttpConnection, variable
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.wording import count_of
from etl_assets.sources.http.answers import Answer, WrongAnswer
from etl_assets.sources.http.auth import auth_of, what_is_shown
from etl_assets.sources.http.paging import Request, origin
from etl_assets.sources.http.retrying import Again, asked_to_wait, pause

T = TypeVar("T")

MOST_BYTES = 64 << 20
"""Of one answer, expanded."""

_WRONG_ANSWERS = 3
"""So many answers that are 200 and no good end a request, however much patience is left."""

_PASSING = frozenset({408, 425, 429})
_NEVER = frozenset({501, 505})
_LOCAL = ("127.0.0.1", "::1", "localhost")

# Its lines have whole URLs, and those of a next page may have something in them that is a secret.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)
# What became of a request is in our own errors; stamina's default hooks would print to stdout.
stamina.instrumentation.set_on_retry_hooks(())


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that are trusted, read once: that takes longer than a short list."""
    return httpx2.create_ssl_context()


@cache
def _nobody_trusted() -> ssl.SSLContext:
    """For requests without TLS, made in no time: every certificate would be refused."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class CursorExpired(Exception):
    """The API does not know the cursor any more."""


class HttpClient:
    """One API by its connection; `rate` is how many requests are sent a second at most.

    `url` stands in for that of the settings, for the demo's own API, which `shown` is the name of:
    its port is another one in each process. Close it after use.
    """

    def __init__(
        self,
        settings: HttpSettings,
        name: str,
        *,
        url: str | None = None,
        shown: str | None = None,
        rate: float | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._settings, self._name, self._most_bytes = settings, name, most_bytes
        self._api = HttpConnection() if url else settings.apis.get(name, HttpConnection())
        self._url, self._shown = url or self._api.url, shown
        self._every, self._next = (1 / rate if rate else 0.0), 0.0
        self._kept: dict[bool, httpx2.Client] = {}  # by whether they have to do with TLS

    @property
    def resume_seconds(self) -> float:
        """For how long the pages of a reading that broke off are kept, 0 for not at all."""
        return self._settings.resume

    def url_of(self, api: HttpApi) -> str:
        """The whole URL of a spec's list.

        Raises ConfigError where nothing says where it is, or spec and settings name two servers:
        what is shown to one must not go to the other.
        """
        if urlsplit(api.url).scheme:
            if self._url and origin(self._url) != origin(api.url):
                told = variable("url", self._name)
                raise ConfigError(
                    f"The spec names another server ({shown_url(api.url)}) than {told}.",
                    "Write the path alone in the spec, or another connection.",
                )
            return api.url
        if not self._url:
            told = variable("url", self._name)
            raise ConfigError(
                f"{told} is not set, so nothing says where the API is that has {api.url}.",
                f"Set {told} to https://host/path.",
            )
        return f"{self._url.rstrip('/')}/{api.url.lstrip('/')}".rstrip("/")

    def shown(self, api: HttpApi) -> str:
        """The same for messages and positions: without parameters and secrets."""
        if self._shown and not urlsplit(api.url).scheme:
            return f"{self._shown}/{api.url.lstrip('/')}"
        return shown_url(self.url_of(api))

    def get(
        self, request: Request, read: Callable[[Answer], T], expired: Collection[int] = ()
    ) -> T:
        """What `read` makes of the answer; it raises WrongAnswer for one that is no good.

        A status in `expired` raises CursorExpired. Raises SourceUnavailable where patience ends,
        and SourceError for what no later attempt would change.
        """
        tries = _Tries(self._settings.patience)
        attempts = stamina.retry_context(
            on=tries.wait, attempts=None, timeout=max(self._settings.patience, 0.001)
        )
        try:
            for attempt in attempts:
                tries.number = attempt.num
                with attempt:
                    return self._read(partial(self._once, request, expired), read, tries)
        except Again as last:
            raise SourceUnavailable(
                f"{shown_url(request.url)} {last.reason}, {tries.told()}.", tries.next_step()
            ) from None
        raise AssertionError("stamina either returns or raises")

    def close(self) -> None:
        """Close kept connections; a later request opens new ones."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _read(self, once: Callable[[], Answer], read: Callable[[Answer], T], tries: "_Tries") -> T:
        try:
            return read(once())
        except WrongAnswer as wrong:
            reason, may_pass = str(wrong), wrong.may_pass
        tries.wrong += 1
        if may_pass and tries.wrong < _WRONG_ANSWERS:
            raise Again(f"gave an answer that {reason}")
        times = f" ({tries.wrong} times)" if tries.wrong > 1 else ""
        raise SourceError(
            f"The answer of the HTTP API {self._name} {reason}{times}.",
            "Nothing was published of it. Compare the API with the spec (items, pagination, "
            "total), or ask whoever runs it.",
        )

    def _once(self, request: Request, expired: Collection[int]) -> Answer:
        self._pace()
        began = time.monotonic()
        try:
            with self._client(request).stream(
                "GET", request.url, params=dict(request.params) or None
            ) as response:
                if response.status_code in expired:
                    raise CursorExpired
                self._refuse(response, request)
                return Answer(self._body(response, began), dict(response.headers))
        except httpx2.TimeoutException as error:
            raise Again(f"did not answer in time ({type(error).__name__})") from None
        except httpx2.DecodingError:
            raise Again("gave a body that is packed wrong") from None
        except (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL):
            raise SourceError(
                f"{shown_url(request.url)} is no URL that can be asked for.",
                f"Correct the url of the spec, or {variable('url', self._name)}.",
            ) from None
        except httpx2.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise SourceError(
                    f"The certificate of {shown_url(request.url)} is not trusted.",
                    f"Correct {variable('url', self._name)}, or install its authority's.",
                ) from None
            raise Again(f"could not be reached, or broke off ({type(error).__name__})") from None

    def _body(self, response: httpx2.Response, began: float) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._most_bytes:
                raise SourceError(
                    f"An answer of the HTTP API {self._name} has more than "
                    f"{count_of(self._most_bytes, 'byte')}.",
                    "Ask for pages that are smaller (params), or for days (window).",
                )
            if time.monotonic() - began > self._settings.answer:
                raise Again("did not get done with its answer in time")
        return b"".join(parts)

    def _refuse(self, response: httpx2.Response, request: Request) -> None:
        status, where = response.status_code, shown_url(request.url)
        if 200 <= status < 300:
            return
        if status in _PASSING or (status >= 500 and status not in _NEVER):
            raise Again(f"answered with status {status}", asked_to_wait(response.headers))
        if status in (401, 403):
            step = what_is_shown(self._name, self._api)
        elif 300 <= status < 400:
            step = (
                f"Redirects are not followed. Correct the url of the spec, or "
                f"{variable('url', self._name)}."
            )
        elif status in (404, 410):
            step = f"Correct the url of the spec, or {variable('url', self._name)}."
        else:
            step = "Compare the spec (url, params, pagination) with the API's description."
        raise SourceError(f"{where} answered with status {status}.", step)

    def _pace(self) -> None:
        if not self._every:
            return
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._every

    def _client(self, request: Request) -> httpx2.Client:
        asked = (request.url, self._api.oauth_url)
        has_tls = any(urlsplit(url).scheme != "http" for url in asked if url)
        if has_tls not in self._kept:
            seconds = self._settings
            is_local = urlsplit(self._url or "").hostname in _LOCAL
            self._kept[has_tls] = httpx2.Client(
                auth=auth_of(self._name, self._api),
                headers={"Accept": "application/json", "User-Agent": "etl-assets"},
                timeout=httpx2.Timeout(seconds.idle, connect=seconds.connect),
                verify=_trusted() if has_tls else _nobody_trusted(),
                trust_env=not is_local,  # the proxy of the environment; none to this machine
            )
        return self._kept[has_tls]


class _Tries:
    """How often a request was sent, and what came of it, within its patience in seconds."""

    def __init__(self, patience: float) -> None:
        self.number, self.wrong = 0, 0
        self._patience, self._until = patience, time.monotonic() + patience
        self._asked: float | None = None

    def wait(self, error: Exception) -> bool | float:
        """How long to wait before the next try; False where there is none."""
        if not isinstance(error, Again):
            return False
        seconds = pause(self.number, error.after)
        if time.monotonic() + seconds > self._until:
            self._asked = error.after
            return False
        return seconds

    def told(self) -> str:
        """What was tried, for a message."""
        times = "once" if self.number == 1 else f"{self.number} times in {self._patience:g} seconds"
        if self._asked:
            return f"and asks to wait for {self._asked:,.0f} seconds"
        return f"asked {times}"

    def next_step(self) -> str:
        """What to do about it."""
        if self._asked:
            return "Run it again later, or raise HTTP_API_PATIENCE_SECONDS."
        return "Run it again when the API is well; HTTP_API_PATIENCE_SECONDS says how long we try."
