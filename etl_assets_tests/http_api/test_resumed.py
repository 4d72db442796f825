"""A load that broke off in the middle of a list is gone on with, but not if the list is another."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.errors import SourceUnavailable, StalePublication
from etl_assets.core.http_specs import (
    HttpApi,
    LinkHeader,
    NextUrl,
    Offsets,
    PageNumbers,
)
from etl_assets.sources.http.kept_pages import kept_pages
from etl_assets_tests.http_api.server import Answers, Api, Asked, Reply, by_cursor, said, serve
from etl_assets_tests.http_api.things import DAY, SOURCE, Things, open_things, row, thing

ITEMS = [thing(number) for number in range(1, 8)]
ROWS = [row(item) for item in ITEMS]


def broken_at(cursor: str, then: Answers) -> Answers:
    """As `then`, but for the page at the cursor, for which the server is away."""
    return lambda asked: said({}, 503) if asked.params.get("cursor") == cursor else then(asked)


def break_off(things: Things, api: Api, cursor: str = "c4", items: list[Any] = ITEMS) -> None:
    """A reading of the list that gets as far as the page before the cursor."""
    api.answers = broken_at(cursor, by_cursor(items, 2))
    with pytest.raises(SourceUnavailable):
        things.read()
    assert list((things.home / "http_pages").glob("*/items.jsonl"))
    api.asked.clear()


def cursors(api: Api) -> list[str | None]:
    return [asked.params.get("cursor") for asked in api.asked]


def kept(things: Things) -> Path:
    (folder,) = (things.home / "http_pages").iterdir()
    return folder


def nothing_is_kept(things: Things) -> bool:
    return not list((things.home / "http_pages").iterdir())


def test_a1_the_next_reading_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        api.answers = by_cursor(ITEMS, 2)
        things.one()
        assert cursors(api) == ["c4", "c6"]
        assert things.published() == ROWS
        assert nothing_is_kept(things)
        api.asked.clear()
        things.one()
        assert cursors(api) == [None, "c2", "c4", "c6"], "a whole list is begun anew"


def test_a1_a_list_that_breaks_off_again_and_again_gets_done(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        for cursor in ("c2", "c4", "c6"):
            break_off(things, api, cursor)
        api.answers = by_cursor(ITEMS, 2)
        assert things.read() == ROWS
        assert cursors(api) == ["c6"]
        assert things.evidence is not None
        assert "4 pages, 7 items, gone on after 3 pages" in things.evidence.query


def _linked(items: list[Any], *, header: bool) -> Answers:
    def answer(asked: Asked) -> Reply:
        start = int(asked.params.get("cursor", "c0").removeprefix("c"))
        following = f"/things?cursor=c{start + 2}" if start + 2 < len(items) else None
        if header:
            links = {"Link": f'<{following}>; rel="next"'} if following else {}
            return replace(said({"items": items[start : start + 2]}), headers=links)
        return said({"items": items[start : start + 2], "next": following})

    return answer


@pytest.mark.parametrize("header", [True, False])
def test_a1_a_link_to_the_next_page_is_gone_on_with(tmp_path: Path, *, header: bool) -> None:
    source = replace(SOURCE, pagination=LinkHeader() if header else NextUrl())
    answers = _linked(ITEMS, header=header)
    with (
        serve(broken_at("c4", answers)) as api,
        open_things(api, tmp_path, patience=0, source=source) as things,
    ):
        with pytest.raises(SourceUnavailable):
            things.read()
        api.asked.clear()
        api.answers = answers
        assert things.read() == ROWS
        assert cursors(api) == ["c4", "c6"]


@pytest.mark.parametrize("pagination", [PageNumbers(), Offsets()])
def test_a1_numbers_and_offsets_are_begun_again_as_items_may_be_gone(
    tmp_path: Path, pagination: PageNumbers | Offsets
) -> None:
    """One item of the first page is deleted meanwhile: going on would leave another one out."""
    left = list(ITEMS)
    is_away = True

    def answer(asked: Asked) -> Reply:
        start = int(asked.params.get("offset", 0)) or 2 * (int(asked.params.get("page", 1)) - 1)
        return said({}, 503) if is_away and start >= 4 else said({"items": left[start : start + 2]})

    source = replace(SOURCE, pagination=pagination)
    with serve(answer) as api, open_things(api, tmp_path, patience=0, source=source) as things:
        with pytest.raises(SourceUnavailable):
            things.read()
        del left[0]
        is_away = False
        assert things.read() == ROWS[1:]


CHANGES: dict[str, Callable[[Things], object]] = {
    "a byte of an item": lambda things: _rewrite(kept(things) / "items.jsonl", b'"n1"', b'"n9"'),
    "items that are cut": lambda things: _cut(kept(things) / "items.jsonl", 20),
    "items that are gone": lambda things: (kept(things) / "items.jsonl").unlink(),
    "a journal that is cut": lambda things: _cut(kept(things) / "journal.jsonl", 5),
    "a journal of another kind": lambda things: (kept(things) / "journal.jsonl").write_text("{}\n"),
    "pages that are too old": lambda things: _age(kept(things) / "journal.jsonl"),
}


def _rewrite(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def _cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def _age(journal: Path) -> None:
    pages = [json.loads(line) for line in journal.read_text().splitlines()]
    old = (datetime.now(UTC) - timedelta(seconds=901)).isoformat()
    journal.write_text("".join(json.dumps({**page, "fetched_at": old}) + "\n" for page in pages))


@pytest.mark.parametrize("what", CHANGES)
def test_a1_what_is_not_whole_or_too_old_is_begun_again(tmp_path: Path, what: str) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        CHANGES[what](things)
        api.answers = by_cursor(ITEMS, 2)
        assert things.read() == ROWS
        assert cursors(api) == [None, "c2", "c4", "c6"]
        assert nothing_is_kept(things)


def test_a1_bytes_behind_the_last_whole_page_are_dropped(tmp_path: Path) -> None:
    """A killed process may leave half a page that the journal does not have."""
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        with (kept(things) / "items.jsonl").open("ab") as lines:
            lines.write(b'{"id": 99, "at"')
        api.answers = by_cursor(ITEMS, 2)
        assert things.read() == ROWS
        assert cursors(api) == ["c4", "c6"]


@pytest.mark.parametrize(
    "other", [replace(SOURCE, params={"kind": "b"}), replace(SOURCE, total="total")]
)
def test_a1_a_list_that_is_asked_for_otherwise_is_another_one(
    tmp_path: Path, other: HttpApi
) -> None:
    with serve(by_cursor(ITEMS, 2)) as api:
        with open_things(api, tmp_path, patience=0) as things:
            break_off(things, api)
        answers = by_cursor(ITEMS, 2)

        def with_total(asked: Asked) -> Reply:
            return said({**json.loads(answers(asked).body), "total": len(ITEMS)})

        api.answers = with_total
        with open_things(api, tmp_path, source=other) as things:
            assert things.read() == ROWS
            assert cursors(api)[0] is None


@pytest.mark.parametrize("total", [7, 8])
def test_a1_the_total_holds_for_both_parts(tmp_path: Path, total: int) -> None:
    """The total of the first part was 7; where it is another one the list is begun again."""

    def answer(asked: Asked, said_total: int = total) -> Reply:
        return said({**json.loads(by_cursor(ITEMS, 2)(asked).body), "total": said_total})

    source = replace(SOURCE, total="total")
    with (
        serve(broken_at("c4", lambda asked: answer(asked, 7))) as api,
        open_things(api, tmp_path, patience=0, source=source) as things,
    ):
        with pytest.raises(SourceUnavailable):
            things.read()
        api.answers = answer
        api.asked.clear()
        if total == 7:
            assert things.read() == ROWS
            assert cursors(api) == ["c4", "c6"]
            return
        with pytest.raises(SourceUnavailable, match="it had 7 items, then 8"):
            things.read()
        assert nothing_is_kept(things)


def test_a1_a_cursor_that_expired_meanwhile_begins_the_list_again(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        new = [thing(number, name="new") for number in range(1, 6)]
        fresh = by_cursor(new, 3)
        api.answers = lambda asked: (
            said({}, 410) if asked.params.get("cursor") == "c4" else fresh(asked)
        )
        assert things.read() == [row(item) for item in new]
        assert cursors(api) == ["c4", None, "c3"]


def test_a1_pages_of_before_do_not_overwrite_what_was_read_after_them(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        aside = tmp_path / "aside"
        kept(things).rename(aside)  # as another machine has it that goes on later
        new = [thing(number, name="new") for number in range(1, 8)]
        api.answers = by_cursor(new, 2)
        things.one()
        digest = _digest_folder(things, api)
        aside.rename(digest)
        with pytest.raises(StalePublication):
            things.load(DAY)
        assert things.published() == [row(item) for item in new]


def _digest_folder(things: Things, api: Api) -> Path:
    """The folder of the list, which does not depend on what the API answers."""
    answers = api.answers
    break_off(things, api)
    api.answers = answers
    folder = kept(things)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return folder


def test_a_setting_keeps_nothing(tmp_path: Path) -> None:
    with (
        serve(broken_at("c4", by_cursor(ITEMS, 2))) as api,
        open_things(api, tmp_path, patience=0, resume=0) as things,
    ):
        with pytest.raises(SourceUnavailable):
            things.read()
        assert not (tmp_path / "http_pages").exists()


def test_a_reading_of_a_list_that_another_one_is_at_keeps_its_own_pages(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        api.answers = by_cursor(ITEMS, 2)
        with kept_pages(tmp_path, kept(things).name, 900) as held:
            assert held is not None
            assert things.read() == ROWS
            assert cursors(api) == [None, "c2", "c4", "c6"]
            assert held.pages()[-1].items == 4, "the pages of the other one are untouched"


def test_a1_a_list_that_was_begun_again_and_broke_off_is_gone_on_with(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 2)) as api, open_things(api, tmp_path, patience=0) as things:
        break_off(things, api)
        new = [thing(number, name="new") for number in range(1, 8)]
        fresh = broken_at("c3", by_cursor(new, 3))
        api.answers = lambda asked: (
            said({}, 410) if asked.params.get("cursor") == "c4" else fresh(asked)
        )
        with pytest.raises(SourceUnavailable):
            things.read()
        api.asked.clear()
        api.answers = by_cursor(new, 3)
        assert things.read() == [row(item) for item in new]
        assert cursors(api) == ["c3", "c6"]


def test_a1_what_is_no_list_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    with serve(by_cursor(ITEMS, 3)) as api, open_things(api, tmp_path) as things:
        folder = things.home / "http_pages"
        (folder / "naive").mkdir(parents=True)
        (folder / "notes.txt").write_text("somebody's")
        page = {"cursor": "c", "items": 1, "end": 1, "digest": "", "total": None, "bad": []}
        told = json.dumps({**page, "fetched_at": "2024-05-17T00:00:00"})
        (folder / "naive" / "journal.jsonl").write_text(told)
        assert things.read() == ROWS
        assert [one.name for one in folder.iterdir()] == ["notes.txt"]
