"""The pages of a list, one after the other, each with the cursor to go on from after it.

A library of its own: whoever lands pages can keep the cursor with them and go on from there. What
becomes of the items is not decided here.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from etl_assets.core.errors import ConfigError, SourceError, SourceUnavailable
from etl_assets.core.http_specs import CursorPages, HttpApi, Offsets, PageNumbers
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.sources.http.answers import Answer, count_at, items_of
from etl_assets.sources.http.client import CursorExpired, HttpClient
from etl_assets.sources.http.paging import UnknownCursor, next_cursor, request_of

_EMPTY_PAGES = 100
"""So many empty pages in a row are no list any more."""


@dataclass(frozen=True)
class Page:
    """Some items, each in the very bytes that were received.

    `cursor` is an opaque text to resume after this page, None after the last. `number` counts from
    1 where the reading began. `begins_again` is true of the first page after a cursor had expired:
    then all items come again that came before it. `total` is the number of all items, as the API
    says it where the spec has a path for that.
    """

    items: list[bytes]
    cursor: str | None
    number: int = 1
    begins_again: bool = False
    total: int | None = None


@dataclass(frozen=True)
class Received:
    """What an earlier reading had received up to a cursor, so that `total` still adds up."""

    pages: int
    items: int
    total: int | None


class ListChanged(SourceUnavailable):
    """The list has another number of items than before: only a reading from its start is whole."""


def pages(
    api: HttpApi,
    client: HttpClient,
    resume: str | None = None,
    params: Mapping[str, str] | None = None,
    received: Received | None = None,
) -> Iterator[Page]:
    """The pages after the cursor `resume`, from the first where that is None.

    `received` is what came before that cursor, where it is known. `params` go with each request
    besides those of the spec. A page that fails is asked for again by itself. A cursor that has
    expired begins the list again, once. Where all is known that came since the first page, the
    `total` of the spec must add up.
    Raises SourceUnavailable (ListChanged for another `total`) and SourceError; ConfigError where
    nothing says where the API is, and for a cursor of another pagination.
    """
    reading = _Reading(api, client, {**_texts(api.params), **(params or {})}, resume, received)
    while (page := reading.next()) is not None:
        yield page


class _Reading:
    """Where the reading of a list is."""

    def __init__(
        self,
        api: HttpApi,
        client: HttpClient,
        params: Mapping[str, str],
        resume: str | None,
        received: Received | None,
    ) -> None:
        self._api, self._client, self._params = api, client, params
        self._url = client.url_of(api)
        self._begun_again = False
        self._begin(resume, received)

    def _begin(self, cursor: str | None, received: Received | None = None) -> None:
        before = received or Received(0, 0, None)
        self._cursor, self._seen = cursor, {cursor}
        self._is_whole, self._ended = cursor is None or received is not None, False
        self._number, self._received, self._empty = before.pages, before.items, 0
        self._total = before.total
        self._digests: set[bytes] = set()

    def next(self) -> Page | None:
        """The next page, None after the last."""
        if self._ended:
            return None
        try:
            return self._page(*self._asked())
        except CursorExpired:
            if self._begun_again:
                raise self._refused("says for the second time that a cursor has expired") from None
        self._begun_again = True
        self._begin(None)
        return replace(self._page(*self._asked()), begins_again=True)

    def _asked(self) -> tuple[list[bytes], str | None, int | None]:
        api, before = self._api, self._cursor
        try:
            request = request_of(api, self._url, self._params, before)
        except UnknownCursor:
            raise ConfigError(
                f"The cursor that {api.place} was read up to is none of its pagination.",
                "The spec or the API's server are others than before: read the list from its "
                "beginning.",
            ) from None

        def read(answer: Answer) -> tuple[list[bytes], str | None, int | None]:
            items = items_of(answer.body, api.items)
            cursor = next_cursor(api, request, answer, len(items), before)
            return items, cursor, count_at(answer.body, api.total) if api.total else None

        paged = api.pagination
        expired = paged.expired if isinstance(paged, CursorPages) and before else ()
        return self._client.get(request, read, expired)

    def _page(self, items: list[bytes], cursor: str | None, total: int | None) -> Page:
        self._number += 1
        self._received += len(items)
        self._empty = 0 if items else self._empty + 1
        if items:
            digest = hashlib.sha256(b"\n".join(items)).digest()
            if digest in self._digests:
                raise self._refused("gave the same page twice")
            self._digests.add(digest)
        if self._is_whole and total is not None:
            cursor = self._counted(total, cursor)
        if cursor is not None and cursor in self._seen:
            raise self._refused("gave a cursor that it had given before")
        if self._empty > _EMPTY_PAGES:
            raise self._refused(f"gave {_EMPTY_PAGES} empty pages in a row")
        self._seen.add(cursor)
        self._cursor, self._ended = cursor, cursor is None
        return Page(items, cursor, self._number, total=total)

    def _counted(self, total: int, cursor: str | None) -> str | None:
        """The cursor, None where all were received; raises where the count does not add up."""
        if self._total not in (None, total):
            raise ListChanged(
                f"The list of the HTTP API {self._api.connection} changed while it was read: it "
                f"had {count_of(self._total, 'item')}, then {total:,}.",
                "It is read again; if that does not help, read it when nobody writes.",
            )
        self._total = total
        if isinstance(self._api.pagination, PageNumbers | Offsets) and self._received == total:
            cursor = None
        if self._received > total or (cursor is None and self._received < total):
            raise self._refused(
                f"says that there {is_or_are(total)} {count_of(total, 'item')}, and gave "
                f"{self._received:,}"
            )
        return cursor

    def _refused(self, what: str) -> SourceError:
        return SourceError(
            f"The HTTP API {self._api.connection} {what}, on page {self._number}.",
            "Nothing was published of it. Compare the pagination of the spec with the API, or ask "
            "whoever runs it.",
        )


def _texts(params: Mapping[str, str | int]) -> dict[str, str]:
    return {name: str(value) for name, value in params.items()}
