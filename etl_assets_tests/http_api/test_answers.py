"""A1: an error is never an empty success: what is no list is refused, and nothing is lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.errors import EtlError, SourceError, SourceUnavailable
from etl_assets.core.http_specs import (
    CursorPages,
    LinkHeader,
    NextUrl,
    NoPages,
    Offsets,
    PageNumbers,
)
from etl_assets_tests.http_api.server import Asked, Reply, by_cursor, said, serve
from etl_assets_tests.http_api.things import DAY, SOURCE, open_things, row, thing

ITEMS = [thing(number) for number in range(1, 5)]
ROWS = [row(item) for item in ITEMS]

REFUSED: dict[str, tuple[Reply, str]] = {
    "JSON that is none": (Reply(b"{'items': []}"), "is no JSON"),
    "no UTF-8": (Reply(b'{"items": ["\xff"]}'), "is not in UTF-8"),
    "nothing": (Reply(b""), "is empty"),
    "no content": (Reply(b"", 204), "is empty"),
    "an error body": (said({"error": {"code": 7}, "items": []}), "says that it is an error"),
    "errors beside items": (said({"errors": ["x"], "items": ITEMS}), "says that it is an error"),
    "ok: false": (said({"ok": False, "items": []}), "says that it is an error"),
    "success: false": (said({"success": False, "items": []}), "says that it is an error"),
    "status: error": (said({"status": "ERROR", "items": []}), "says that it is an error"),
    "no items": (said({"message": "none", "code": 3}), r"has no 'items' .*message, code"),
    "items that are null": (said({"items": None}), "has no list at 'items'"),
    "items that are an object": (said({"items": {"a": 1}}), "has no list at 'items'"),
    "a list where an object is": (said(ITEMS), "has no 'items'"),
    "a cursor that is an object": (
        said({"items": ITEMS, "next_cursor": {}}),
        "has no text and no number at 'next_cursor'",
    ),
    "a line break within a text": (
        Reply(b'{"items": [{"id": 1, "name": "a\nb"}]}'),
        "is no JSON",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a1_an_answer_that_is_no_good_is_refused(tmp_path: Path, what: str) -> None:
    reply, reason = REFUSED[what]
    with (
        serve(lambda _: reply) as api,
        open_things(api, tmp_path) as things,
        pytest.raises(SourceError, match=reason) as told,
    ):
        things.read()
    assert len(api.asked) <= 3
    assert "items, pagination, total" in str(told.value)


def test_an_error_that_is_none_is_no_error(tmp_path: Path) -> None:
    body = {"error": None, "errors": [], "ok": True, "status": "done", "items": ITEMS}
    with serve(lambda _: said(body)) as api, open_things(api, tmp_path) as things:
        assert things.read() == ROWS


def test_l8_an_empty_list_is_a_day_without_rows_and_the_count_says_so(tmp_path: Path) -> None:
    with serve(by_cursor([], 9)) as api, open_things(api, tmp_path) as things:
        assert things.read() == []
        assert things.counts == {DAY: 0}
        assert things.evidence is not None
        assert "1 page, 0 items" in things.evidence.query


@pytest.mark.parametrize("path", ["", "a", "a.b.c"])
def test_the_items_are_where_the_path_says(tmp_path: Path, path: str) -> None:
    body: Any = ITEMS
    for name in reversed(path.split(".") if path else []):
        body = {"other": [1], name: body}
    source = replace(SOURCE, items=path, pagination=NoPages())
    with serve(lambda _: said(body)) as api, open_things(api, tmp_path, source=source) as things:
        assert things.read() == ROWS


ENDLESS = {
    "the same page whatever is asked for": (
        PageNumbers(),
        lambda _: said({"items": ITEMS}),
        "gave the same page twice, on page 2",
    ),
    "the same page with new cursors": (
        CursorPages(),
        lambda asked: said(
            {"items": ITEMS, "next_cursor": asked.params.get("cursor", "") + "x"},
        ),
        "gave the same page twice, on page 2",
    ),
    "a cursor that leads back": (
        CursorPages(),
        lambda asked: said(
            {
                "items": [thing(len(asked.params.get("cursor", "")) + 1)],
                "next_cursor": {"": "a", "a": "bb", "bb": "a"}[asked.params.get("cursor", "")],
            }
        ),
        "gave a cursor that it had given before, on page 3",
    ),
    "empty pages without an end": (
        CursorPages(),
        lambda asked: said({"items": [], "next_cursor": asked.params.get("cursor", "") + "x"}),
        "gave 100 empty pages in a row",
    ),
    "a next page on another server": (
        NextUrl(),
        lambda _: said({"items": ITEMS, "next": "http://elsewhere.example/x"}),
        "names another server",
    ),
    "a link to another server": (
        LinkHeader(),
        lambda _: said({"items": ITEMS}, Link='<https://127.0.0.1/x>; rel="next"'),
        "names another server",
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a1_pages_that_never_end_are_refused(tmp_path: Path, what: str) -> None:
    pagination, answers, reason = ENDLESS[what]
    source = replace(SOURCE, pagination=pagination)
    with (
        serve(answers) as api,
        open_things(api, tmp_path, source=source) as things,
        pytest.raises(SourceError, match=reason),
    ):
        things.read()
    assert len(api.asked) <= 102


COUNTS: dict[str, tuple[list[Any], type[EtlError], str]] = {
    "more": ([5, 5], SourceError, "says that there are 5 items, and gave 4"),
    "fewer": ([3, 3], SourceError, "says that there are 3 items, and gave 4"),
    "none": (["many", "many"], SourceError, "has no count at 'meta.total'"),
    "another one": ([4, 5], SourceUnavailable, "changed while it was read: it had 4 items, then 5"),
}


@pytest.mark.parametrize("what", COUNTS)
def test_a1_a_count_that_does_not_add_up_is_refused(tmp_path: Path, what: str) -> None:
    totals, kind, reason = COUNTS[what]
    with (
        serve(counted(totals)) as api,
        open_things(api, tmp_path, source=replace(SOURCE, total="meta.total")) as things,
        pytest.raises(kind, match=reason),
    ):
        things.read()


def test_a1_a_count_that_adds_up_ends_pages_by_number_without_another_request(
    tmp_path: Path,
) -> None:
    def answer(asked: Asked) -> Reply:
        start = int(asked.params.get("offset", 0))
        return said({"items": ITEMS[start : start + 2], "meta": {"total": 4}})

    source = replace(SOURCE, total="meta.total", pagination=Offsets())
    with serve(answer) as api, open_things(api, tmp_path, source=source) as things:
        assert things.read() == ROWS
    assert len(api.asked) == 2


def counted(totals: list[Any]) -> Any:
    """Two pages, each with its count."""

    def answer(asked: Asked) -> Reply:
        page = 1 if "cursor" in asked.params else 0
        more = None if page else "second"
        items = ITEMS[2 * page : 2 * page + 2]
        return said({"items": items, "next_cursor": more, "meta": {"total": totals[page]}})

    return answer
