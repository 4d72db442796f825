"""What a request shows to an API, as its settings say: nothing, a token, a password, a header.

Which settings there are is `core/http_connections.py`. Nothing here is ever part of a message.
"""

import time
from collections.abc import Generator

import httpx2

from etl_assets.core.errors import SourceError
from etl_assets.core.http_connections import HttpConnection, variable
from etl_assets.sources.http.retrying import Again, asked_to_wait

_EARLIER = 30.0
"""A token is renewed so many seconds before it ends."""


def auth_of(name: str, api: HttpConnection) -> httpx2.Auth | None:
    """How requests to the API of that connection are signed; None where nothing is asked for."""
    if api.token:
        return _Header("Authorization", f"Bearer {api.token}")
    if api.user and api.password:
        return httpx2.BasicAuth(api.user, api.password)
    if api.header:
        header, _, value = api.header.partition(":")
        return _Header(header.strip(), value.strip())
    if api.oauth_url and api.oauth_id and api.oauth_secret:
        return _ClientCredentials(name, api)
    return None


def what_is_shown(name: str, api: HttpConnection) -> str:
    """What to look at where an API refuses us: the variables, never their values."""
    if api.token:
        return f"Correct {variable('token', name)}, which may have expired."
    if api.user:
        return f"Correct {variable('user', name)} and {variable('password', name)}."
    if api.header:
        return f"Correct {variable('header', name)}."
    if api.oauth_url:
        return (
            f"Correct {variable('oauth_id', name)} and {variable('oauth_secret', name)}, or ask "
            f"for more by {variable('oauth_scope', name)}."
        )
    return (
        f"Set {variable('token', name)}, {variable('user', name)} with "
        f"{variable('password', name)}, {variable('header', name)} or {variable('oauth_url', name)}"
        ", as the API asks for it."
    )


class _Header(httpx2.Auth):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers[self._name] = self._value
        yield request


class _ClientCredentials(httpx2.Auth):
    """A token by OAuth's client credentials, renewed before it ends, and once where it is refused.

    Raises SourceError where the credentials are refused, and Again where it may pass.
    """

    def __init__(self, name: str, api: HttpConnection) -> None:
        self._name, self._api = name, api
        self._token, self._until = "", 0.0

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        is_new = not self._token or time.monotonic() >= self._until
        if is_new:
            self._take((yield self._asked()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and not is_new:
            self._take((yield self._asked()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _asked(self) -> httpx2.Request:
        api = self._api
        form = {"grant_type": "client_credentials"}
        if api.oauth_scope:
            form["scope"] = api.oauth_scope
        asked = httpx2.Request("POST", str(api.oauth_url), data=form)
        basic = httpx2.BasicAuth(str(api.oauth_id), str(api.oauth_secret))
        return next(basic.auth_flow(asked))

    def _take(self, response: httpx2.Response) -> None:
        response.read()
        status = response.status_code
        if status == 429 or status >= 500:
            raise Again(f"gave no token (status {status})", asked_to_wait(response.headers))
        told = f"The server of {variable('oauth_url', self._name)}"
        if not response.is_success:
            raise SourceError(
                f"{told} gave no token (status {status}).", what_is_shown(self._name, self._api)
            )
        try:
            answer = response.json()
            token, lasts = answer["access_token"], float(answer.get("expires_in", 300))
        except (ValueError, KeyError, TypeError, AttributeError):
            token, lasts = None, 0.0
        if not isinstance(token, str) or not token or not token.isprintable():
            raise SourceError(
                f"{told} answered without a token.",
                f"See whether {variable('oauth_url', self._name)} is where tokens are given.",
            )
        self._token, self._until = token, time.monotonic() + max(0.0, lasts - _EARLIER)
