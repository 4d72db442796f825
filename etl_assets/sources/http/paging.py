"""How pages follow each other: the request of a page, and the cursor to go on from after it. Pure.

A cursor is an opaque text: JSON of one field. Asking is `client.py`; what an answer must be is
`answers.py`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from etl_assets.core.http_specs import (
    CursorPages,
    HttpApi,
    LinkHeader,
    NextUrl,
    NoPages,
    Offsets,
    PageNumbers,
)
from etl_assets.sources.http.answers import Answer, WrongAnswer, value_at

Params = Mapping[str, str]
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,]+))', re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """What is asked for; `url` has its parameters already where an answer named it."""

    url: str
    params: Params


class UnknownCursor(ValueError):
    """A text that no page of this pagination gave as its cursor."""


def request_of(api: HttpApi, url: str, params: Params, cursor: str | None) -> Request:
    """The request after a page that gave this cursor; None is the first page's.

    `url` is the whole URL of the list, `params` all that go with each request. Raises UnknownCursor
    for a text of another pagination, or of a server that the API is not on any more.
    """
    paged = api.pagination
    if cursor is None:
        first = {paged.param: str(paged.first)} if isinstance(paged, PageNumbers) else {}
        return Request(url, {**params, **first})
    match paged:
        case LinkHeader() | NextUrl():
            try:
                return Request(sameorigin(url, _told(cursor, "url")), {})
            except WrongAnswer:  # the API has moved since: what we show it must not go there
                raise UnknownCursor(cursor) from None
        case CursorPages():
            return Request(url, {**params, paged.param: _told(cursor, "cursor")})
        case PageNumbers():
            return Request(url, {**params, paged.param: _told(cursor, "page")})
        case Offsets():
            return Request(url, {**params, paged.param: _told(cursor, "offset")})
        case NoPages():
            raise UnknownCursor(cursor)


def next_cursor(
    api: HttpApi, request: Request, answer: Answer, items: int, cursor: str | None
) -> str | None:
    """The cursor after a page with so many items, None after the last; raises WrongAnswer.

    `cursor` is the one that the page itself was asked for with.
    """
    match api.pagination:
        case NoPages():
            return None
        case CursorPages(next=path):
            told = _text(value_at(answer.body, path), path)
            return _cursor("cursor", told) if told else None
        case NextUrl(next=path):
            told = _text(value_at(answer.body, path), path)
            return _cursor("url", sameorigin(request.url, told)) if told else None
        case LinkHeader(rel=rel):
            url = linked(answer.headers.get("link", ""), rel)
            return _cursor("url", sameorigin(request.url, url)) if url else None
        case PageNumbers(first=first):
            page = int(_told(cursor, "page")) if cursor else first
            return _cursor("page", str(page + 1)) if items else None
        case Offsets():
            before = int(_told(cursor, "offset")) if cursor else 0
            return _cursor("offset", str(before + items)) if items else None


def linked(header: str, rel: str) -> str | None:
    """The URL that a `Link` header has for a relation, None where it has none."""
    for url, rest in _LINK.findall(header):
        for quoted, plain in _REL.findall(rest):
            if rel.lower() in (quoted or plain).lower().split():
                return str(url)
    return None


def sameorigin(url: str, told: str) -> str:
    """The URL that an answer names, if it is of the same server.

    Raises WrongAnswer for another: what our requests show to the API must not go there.
    """
    joined = urljoin(url, told)
    try:
        is_same = origin(joined) == origin(url)
    except ValueError:
        is_same = False
    if not is_same:
        raise WrongAnswer("names another server for its next page")
    return joined


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL; raises ValueError for one with a user or a password."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _text(value: object, path: str) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise WrongAnswer(f"has no text and no number at {path!r}, where the next page is named")
    return str(value)


def _cursor(field: str, text: str) -> str:
    return json.dumps({field: text})


def _told(cursor: str, field: str) -> str:
    try:
        text = json.loads(cursor)[field]
    except (ValueError, KeyError, TypeError):
        raise UnknownCursor(cursor) from None
    if not isinstance(text, str) or (field in ("page", "offset") and not text.isdecimal()):
        raise UnknownCursor(cursor)
    return text
