"""How the list of an HTTP API is read, found by asking: where its items are, how pages follow.

Each guess of the pages is tried before it is taken. What items hold is `http.py`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from etl_assets.core.errors import SourceError
from etl_assets.core.http_specs import (
    CursorPages,
    HttpApi,
    LinkHeader,
    NextUrl,
    NoPages,
    Offsets,
    PageNumbers,
    Pagination,
)
from etl_assets.sources.http.answers import Answer, items_of, value_at
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.paging import Request, linked, next_cursor, request_of

_LISTS = ("data", "items", "results", "records", "rows", "entries", "values", "list", "content")
_NEXT = re.compile(r"(?i)(^|.*[._])(next(_?(page|link|url|href|cursor|token|page_?token))?)$")
_CURSOR = re.compile(r"(?i)(^|.*[._])((next_?)?(cursor|page_?token|continuation(_?token)?))$")
_TOTAL = ("total", "total_count", "totalCount", "count_total", "total_items", "totalItems")
_PARAMS = {
    "next_page_token": "page_token",
    "nextpagetoken": "pageToken",
    "next_token": "next_token",
    "continuation_token": "continuation_token",
    "continuation": "continuation",
}
_DEEPEST = 3


def answer_of(client: HttpClient, api: HttpApi, cursor: str | None) -> Answer:
    """The answer with the page at the cursor, None for the first; raises what the client does."""
    url = client.url_of(api)
    params = {name: str(given) for name, given in api.params.items()}
    return client.get(request_of(api, url, params, cursor), lambda answer: answer)


def items_path(body: bytes, api: HttpApi) -> str:
    """Where the answer has its list of objects; of several the one that is called like a list."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        told = None
    found = list(_lists_in(told, "", 0))
    if not found:
        raise SourceError(
            f"The answer of {api.place} has no list of objects.",
            "Name the URL of a list; what an answer must be is in docs/http.md.",
        )
    known = [path for path in found if path.rpartition(".")[2].lower() in _LISTS]
    return (known or found)[0]


def _lists_in(told: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(told, list):
        if not told or isinstance(told[0], dict):
            yield path
    elif isinstance(told, dict) and depth < _DEEPEST:
        inner = [(name, one) for name, one in told.items() if "." not in name]
        for name, one in sorted(inner, key=lambda pair: not isinstance(pair[1], list)):
            yield from _lists_in(one, f"{path}.{name}" if path else name, depth + 1)


def pages_of(
    client: HttpClient, api: HttpApi, first: Answer, items: Sequence[bytes]
) -> tuple[Pagination, str, Sequence[bytes]]:
    """How pages follow, why, and the items of the second page: each guess is tried."""
    tried: list[str] = []
    for pagination, why in _guesses(first, api):
        trial = replace(api, pagination=pagination)
        try:
            request = Request(client.url_of(trial), {})
            cursor = next_cursor(trial, request, first, len(items), None)
            if cursor is None:
                return pagination, f"{why}, and the first answer was the last", []
            second = items_of(answer_of(client, trial, cursor).body, api.items)
        except Exception as error:  # whatever an API says to a parameter that it does not know
            tried.append(f"{type(pagination).__name__} ({type(error).__name__})")
            continue
        if not set(second) & set(items):
            return pagination, f"{why}, and the second page had other items", second
        tried.append(f"{type(pagination).__name__} (the second page had the same items)")
    told = f"; tried: {', '.join(tried)}" if tried else ""
    return NoPages(), f"nothing in the answer tells of another page{told}", []


def _guesses(first: Answer, api: HttpApi) -> Iterator[tuple[Pagination, str]]:
    if linked(first.headers.get("link", ""), "next") or "link" in first.headers:
        yield LinkHeader(), "the answer has a header Link"
    told = msgspec.json.decode(first.body)
    for path, found in _scalars(told, "", 0):
        name = path.rpartition(".")[2]
        if path == api.items:
            continue
        if isinstance(found, str) and (found.startswith(("http://", "https://", "/"))):
            if _NEXT.match(path):
                yield NextUrl(path), f"{path} of the answer is a URL"
        elif _CURSOR.match(path) or (_NEXT.match(path) and isinstance(found, str | None)):
            param = _PARAMS.get(name.lower(), "cursor")
            yield CursorPages(param, path), f"{path} of the answer is the cursor of the next page"
    names = {path.rpartition(".")[2].lower() for path, _ in _scalars(told, "", 0)}
    if names & {"offset", "skip"}:
        yield Offsets("offset" if "offset" in names else "skip"), "the answer tells its offset"
    if names & {"page", "current_page", "page_number", "total_pages", "pages", "last_page"}:
        yield PageNumbers(), "the answer tells the number of its page"
    if not isinstance(told, dict) or not names:
        yield PageNumbers(), "a second page was asked for by its number"


def _scalars(told: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """The fields of an answer that are no lists, each with its path."""
    if isinstance(told, dict) and depth < _DEEPEST:
        for name, one in told.items():
            if "." not in name:
                yield from _scalars(one, f"{path}.{name}" if path else name, depth + 1)
    elif not isinstance(told, list | dict) and path:
        yield path, told


def total_path(body: bytes, items: str) -> str | None:
    """The path of the number of all items, where it is called so."""
    if not items:
        return None
    begin = f"{items.rpartition('.')[0]}." if "." in items else ""
    for name in _TOTAL:
        for path in dict.fromkeys((f"{begin}{name}", name, f"meta.{name}", f"pagination.{name}")):
            if isinstance(value_at(body, path), int):
                return path
    return None
