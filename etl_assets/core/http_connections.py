"""Where an HTTP API is and what it asks to be shown, as settings have it by the connection's name.

Pure: which variables there are is read in `config/`. How a request is signed is
`sources/http/auth.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

PREFIX = "HTTP_API_"


@dataclass(frozen=True, repr=False)
class HttpConnection:
    """One API; secrets are kept out of `repr`. A field is the variable HTTP_API_<FIELD>_<NAME>.

    `url` is what the paths of specs are below. `token` is a bearer token; `user` and `password` are
    basic authentication; `header` is one header with its value (`X-Api-Key: …`); `oauth_url`,
    `oauth_id` and `oauth_secret`, and `oauth_scope` where there is one, get a token by client
    credentials.
    """

    url: str | None = None
    token: str | None = None
    user: str | None = None
    password: str | None = None
    header: str | None = None
    oauth_url: str | None = None
    oauth_id: str | None = None
    oauth_secret: str | None = None
    oauth_scope: str | None = None

    def __repr__(self) -> str:
        said = ", ".join(field.name for field in fields(self) if getattr(self, field.name))
        return f"HttpConnection({said})"


def variable(field: str, name: str) -> str:
    """The variable of one field of a connection: HTTP_API_URL_SALES."""
    return f"{PREFIX}{field.upper()}_{name.upper()}"


def connections(environment: Mapping[str, str]) -> dict[str, HttpConnection]:
    """All connections that variables name, by their names in lower case."""
    said: dict[str, dict[str, str]] = {}
    for field in fields(HttpConnection):
        prefix = variable(field.name, "")
        for name, text in environment.items():
            if name.startswith(prefix) and name != prefix and text:
                said.setdefault(name.removeprefix(prefix).lower(), {})[field.name] = text
    return {name: HttpConnection(**given) for name, given in said.items()}


def wrong_with(name: str, api: HttpConnection) -> Iterator[tuple[str, str]]:
    """What cannot be of a connection, and what to do; no value is quoted."""
    for field in ("url", "oauth_url"):
        if text := getattr(api, field):
            yield from _wrong_url(variable(field, name), text, name)
    kinds = {
        variable("token", name): api.token,
        variable("user", name): api.user or api.password,
        variable("header", name): api.header,
        variable("oauth_url", name): api.oauth_url or api.oauth_id or api.oauth_secret,
    }
    given = [said for said, value in kinds.items() if value]
    if len(given) > 1:
        yield f"{' and '.join(given)} are both set.", "Keep the one that the API asks for."
    for needed in (("user", "password"), ("oauth_url", "oauth_id", "oauth_secret")):
        lacking = [variable(one, name) for one in needed if not getattr(api, one)]
        if 0 < len(lacking) < len(needed):
            others = [variable(one, name) for one in needed if getattr(api, one)]
            yield f"{others[0]} is set and {lacking[0]} is not.", "Set both, or unset both."
    if api.header and not all(part.strip() for part in api.header.partition(":")):
        yield f"{variable('header', name)} is no header.", "Write its name, a colon and its value."
    for part in fields(api):
        if not (getattr(api, part.name) or "").isprintable():
            told = variable(part.name, name)
            yield f"{told} has a line break or another control character.", "Set it without."


def _wrong_url(told: str, text: str, name: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        yield f"{told} is no URL of an HTTP API.", "Write it as https://host/path."
    elif parts.username or parts.password:
        yield (
            f"{told} has a user or a password in it, which would be shown with the URL.",
            f"Set {variable('user', name)} and {variable('password', name)} instead.",
        )
    elif parts.query or parts.fragment:
        yield (
            f"{told} has parameters in it, which would be shown with the URL.",
            "Write parameters that are no secret in the table's spec, and secrets as "
            f"{variable('header', name)} or {variable('token', name)}.",
        )
