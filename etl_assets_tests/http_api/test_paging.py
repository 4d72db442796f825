"""The pages of a list as a library: every pagination, resumed after every page."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from etl_assets.config import HttpSettings
from etl_assets.core.errors import ConfigError, SourceError
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
from etl_assets.sources.http.client import HttpClient
from etl_assets.sources.http.pages import Page, pages
from etl_assets_tests.http_api.server import Api, Asked, Reply, by_cursor, first, said, serve

ITEMS = [{"id": number} for number in range(1, 8)]


def numbered(asked: Asked) -> Reply:
    page = int(asked.params.get("page", 1))
    return said({"items": ITEMS[3 * page - 3 : 3 * page]})


def offset(asked: Asked) -> Reply:
    start = int(asked.params.get("offset", 0))
    return said({"items": ITEMS[start : start + 3]})


def linked(asked: Asked) -> Reply:
    start = int(asked.params.get("after", 0))
    links = f'</first>; rel="first", </things?after={start + 3}&k=v>; title="x"; rel="next last"'
    more = {"Link": links} if start + 3 < len(ITEMS) else {"Link": '</first>; rel="first"'}
    return said({"items": ITEMS[start : start + 3]}, **more)


def named(asked: Asked) -> Reply:
    start = int(asked.params.get("after", 0))
    more = f"?after={start + 3}" if start + 3 < len(ITEMS) else ""
    return said({"items": ITEMS[start : start + 3], "paging": {"next": more}})


KINDS: dict[str, tuple[Pagination, Callable[[Asked], Reply], int]] = {
    "cursor": (CursorPages(), by_cursor(ITEMS, 3), 3),
    "page": (PageNumbers(), numbered, 4),
    "offset": (Offsets(), offset, 4),
    "link": (LinkHeader(), linked, 3),
    "next": (NextUrl("paging.next"), named, 3),
    "none": (NoPages(), lambda _: said({"items": ITEMS}), 1),
}


@contextmanager
def client_of(api: Api, **more: Any) -> Iterator[HttpClient]:
    client = HttpClient(HttpSettings(patience=5), "shop", url=api.url, **more)
    yield client
    client.close()


def ids(found: list[Page]) -> list[int]:
    return [int(item.split(b":")[1].strip(b" }")) for page in found for item in page.items]


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_read_to_its_end_and_on_from_each_of_its_pages(kind: str) -> None:
    pagination, answers, requests = KINDS[kind]
    api = HttpApi("/things", items="items", pagination=pagination)
    with serve(answers) as server, client_of(server) as client:
        whole = list(pages(api, client))
        assert len(server.asked) == requests
        assert ids(whole) == [1, 2, 3, 4, 5, 6, 7]
        assert whole[-1].cursor is None
        for place, page in enumerate(whole[:-1]):
            rest = list(pages(api, client, page.cursor))
            assert ids(rest) == ids(whole[place + 1 :])


def test_items_are_the_very_bytes_that_were_received() -> None:
    raw = [b'{ "id" : 1.10,\n "big": 12345678901234567890123 }', b'{"t":"\\u00e9 \xc3\xa9"}', b"7"]
    body = b'\xef\xbb\xbf{"items": [\n' + b" ,\t".join(raw) + b"]}"
    api = HttpApi("/things", items="items")
    with serve(lambda _: Reply(body)) as server, client_of(server) as client:
        (page,) = pages(api, client)
    assert page.items == raw


def test_a_page_is_asked_for_only_when_it_is_wanted() -> None:
    api = HttpApi("/things", items="items", pagination=CursorPages())
    with serve(by_cursor(ITEMS, 3)) as server, client_of(server) as client:
        next(pages(api, client))
        assert len(server.asked) == 1


def test_parameters_of_the_spec_and_of_the_call_go_with_each_request() -> None:
    api = HttpApi("/things", items="items", pagination=CursorPages(), params={"limit": 3})
    with serve(by_cursor(ITEMS, 3)) as server, client_of(server) as client:
        list(pages(api, client, params={"since": "2024-05-17T00:00:00+00:00 &"}))
    assert [dict(asked.params) for asked in server.asked] == [
        {"limit": "3", "since": "2024-05-17T00:00:00+00:00 &", **more}
        for more in ({}, {"cursor": "c3"}, {"cursor": "c6"})
    ]


def test_a2_a_cursor_that_expired_begins_the_list_again_once() -> None:
    api = HttpApi("/things", items="items", pagination=CursorPages())
    gone = said({}, 410)
    at_second = by_cursor(ITEMS, 3)
    answers = first([gone], at_second, lambda asked: asked.params.get("cursor") == "c6")
    with serve(answers) as server, client_of(server) as client:
        found = list(pages(api, client))
        assert [ids([page]) for page in found] == [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6], [7]]
        assert [page.begins_again for page in found] == [False, False, True, False, False]
        server.answers = first([gone], at_second, lambda _: True)
        (begun, *_) = pages(api, client, found[0].cursor)
        assert (ids([begun]), begun.begins_again) == ([1, 2, 3], True)
        server.answers = first([gone] * 9, at_second, lambda asked: "cursor" in asked.params)
        with pytest.raises(SourceError, match="for the second time that a cursor has expired"):
            list(pages(api, client))


def test_a_cursor_of_another_pagination_is_refused() -> None:
    with serve(numbered) as server, client_of(server) as client:
        api = HttpApi("/things", items="items", pagination=CursorPages())
        for cursor in ('{"page": "2"}', "c3", "[]", '{"cursor": 3}'):
            with pytest.raises(ConfigError, match="none of its pagination"):
                list(pages(api, client, cursor))
        moved = HttpApi("/things", items="items", pagination=NextUrl())
        with pytest.raises(ConfigError, match="the API's server are others"):
            list(pages(moved, client, '{"url": "https://old.example/things?after=3"}'))
        page = HttpApi("/things", items="items", pagination=PageNumbers())
        with pytest.raises(ConfigError, match="none of its pagination"):
            list(pages(page, client, '{"page": "-1"}'))
    assert not server.asked


def test_no_more_requests_a_second_are_sent_than_the_rate_says() -> None:
    api = HttpApi("/things", items="items", pagination=CursorPages())
    with serve(by_cursor(ITEMS, 2)) as server, client_of(server, rate=20.0) as client:
        began = time.monotonic()
        assert len(list(pages(api, client))) == 4
        assert time.monotonic() - began >= 3 / 20


def test_a_spec_may_name_the_whole_url_but_no_other_server_than_the_settings() -> None:
    with serve(by_cursor(ITEMS, 9)) as server, client_of(server) as client:
        (page,) = pages(HttpApi(f"{server.url}/things", items="items"), client)
        assert len(page.items) == 7
        with pytest.raises(ConfigError, match=r"another server.*than HTTP_API_URL_SHOP"):
            list(pages(HttpApi("https://other.example/things", items="items"), client))
    assert len(server.asked) == 1
