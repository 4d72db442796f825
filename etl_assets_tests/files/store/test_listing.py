"""Objects of S3 and of a folder are listed whole and in order, or not at all."""

import os
from pathlib import Path

import pytest

from etl_assets.core.errors import (
    EtlError,
    ObjectChanged,
    SourceError,
    SourceUnavailable,
)
from etl_assets.sources.files.store import PAGE, open_store
from etl_assets_tests.files.store.objects import (
    LATER_PAGES,
    MANY_KEYS,
    Place,
    behind,
    content,
    keys,
    listed,
    on,
    only,
)
from etl_assets_tests.s3_server import MANY, S3Server
from etl_assets_tests.wire.http_faults import (
    CutAnswer,
    Delay,
    DropAnswer,
    Fault,
    Reset,
    Rule,
    S3Answer,
)
from etl_assets_tests.wire.http_proxy import HttpProxy


def test_f4_a_listing_of_several_pages_is_whole_and_in_order(s3: S3Server) -> None:
    pages = list(open_store(s3.settings("many", "orders")).list())
    assert [len(page) for page in pages] == [PAGE, PAGE, MANY - 2 * PAGE]
    assert [stored.key for page in pages for stored in page] == MANY_KEYS


def test_f4_a_folder_of_more_files_than_a_page_is_listed_whole(tmp_path: Path) -> None:
    for key in MANY_KEYS:
        (tmp_path / key).touch()
    assert keys(open_store(on(tmp_path))) == MANY_KEYS


def test_f4_pages_are_asked_for_one_by_one(s3: S3Server, proxy: HttpProxy) -> None:
    pages = behind(proxy, s3, "many", "orders").list()
    assert len(next(pages)) == PAGE
    assert len(proxy.requests) < 3


@pytest.mark.parametrize("after", [0, 998, 999, 1000, MANY - 1])
def test_f4_a_listing_is_continued_behind_a_key(s3: S3Server, after: int) -> None:
    store = open_store(s3.settings("many", "orders"))
    assert keys(store, MANY_KEYS[after]) == MANY_KEYS[after + 1 :]


def test_f1_a_part_with_more_digits_is_there_though_it_sorts_before(place: Place) -> None:
    store, put, _ = place
    for number in (9, 10, 11, 100):
        put(f"part-{number}", b"x")
    assert keys(store) == ["part-10", "part-100", "part-11", "part-9"]


def test_keys_are_in_the_order_of_their_bytes_across_folders(place: Place) -> None:
    store, put, _ = place
    ordered = ["a-b", "a.csv", "a/b", "a/b-c", "a/c/d", "a0", "b/a/a", "b0/x", "\uff46", "😀"]
    for key in reversed(ordered):
        put(key, b"x")
    assert keys(store) == sorted(ordered, key=str.encode) == ordered
    for place_in_order, key in enumerate(ordered):
        assert keys(store, key) == ordered[place_in_order + 1 :]
    assert keys(store, "a/") == ordered[2:]


def test_nothing_beside_the_prefix_is_listed(s3: S3Server, bucket: str) -> None:
    for key in ("in", "in/a", "in-2/b", "inner", "other/in/c"):
        s3.put(bucket, key, b"x")
    assert keys(open_store(s3.settings(bucket, "in"))) == ["a"]
    assert len(keys(open_store(s3.settings(bucket)))) == 5


def test_an_empty_prefix_is_an_empty_listing(place: Place) -> None:
    assert list(place[0].list()) == []


@pytest.mark.parametrize("below", ["in/", "in/deep/", "not there/", "odd ü%/"])
def test_below_a_folder_all_of_its_objects_are_listed(place: Place, below: str) -> None:
    store, put, _ = place
    for key in ("in/a", "in/deep/b", "in-between/c", "inside", "odd ü%/d", "z"):
        put(key, b"x")
    found = [stored.key for page in store.list(below=below) for stored in page]
    assert [key for key in found if key.startswith(below)] == [
        key for key in keys(store) if key.startswith(below)
    ]
    if below.isascii() and " " not in below:
        assert not any(key.startswith(("in-between/", "odd")) for key in found)


def test_f3_two_objects_of_one_second_are_two(place: Place) -> None:
    store, put, _ = place
    for _attempt in range(20):  # a second may end between the two
        put("a", b"x")
        put("b", b"x")
        first, second = listed(store)
        if first.modified.replace(microsecond=0) == second.modified.replace(microsecond=0):
            break
    else:
        pytest.fail("no two objects were put within one second")
    assert [(s.key, s.size) for s in (first, second)] == [("a", 1), ("b", 1)]


def test_f2_an_object_overwritten_in_the_same_second_has_another_identity(place: Place) -> None:
    store, put, _ = place
    seen = set()
    for text in (b"aaaa", b"bbbb", b"cccc"):
        put("a", text)
        stored = only(store)
        seen.add(stored.identity)
        assert only(store).identity == stored.identity, "unchanged, it keeps it"
    assert len(seen) == 3


def test_f2_a_file_whose_mtime_is_set_back_has_another_identity(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"aaaa")
    before, moment = only(open_store(on(tmp_path))), file.stat().st_mtime_ns
    file.write_bytes(b"bbbb")
    os.utime(file, ns=(moment, moment))
    after = only(open_store(on(tmp_path)))
    assert (after.modified, after.size) == (before.modified, before.size)
    assert after.identity != before.identity


def test_versions_of_an_object_are_one_object(s3: S3Server) -> None:
    bucket = s3.bucket(versions=True)
    store = open_store(s3.settings(bucket))
    s3.put(bucket, "a", b"1")
    old = only(store)
    s3.put(bucket, "a", b"22")
    assert only(store).size == 2
    with pytest.raises(ObjectChanged):
        content(store, old)
    s3.delete(bucket, "a")
    assert listed(store) == []


def test_markers_of_folders_are_empty_objects(s3: S3Server, bucket: str) -> None:
    for key in ("in/", "in/day/", "in/day-x", "in/day/a"):
        s3.put(bucket, key, b"" if key.endswith("/") else b"x")
    store = open_store(s3.settings(bucket, "in"))
    assert [(s.key, s.size) for s in listed(store)] == [("day-x", 1), ("day", 0), ("day/a", 1)]
    assert [content(store, stored) for stored in listed(store)] == [b"x", b"", b"x"]


@pytest.mark.thorough_but("500", "cut")
@pytest.mark.parametrize(
    "fault",
    [
        *(S3Answer(500, "InternalError"), S3Answer(503, "SlowDown"), CutAnswer(20_000)),
        *(Reset(), DropAnswer()),
    ],
    ids=["500", "slow down", "cut", "reset", "dropped"],
)
def test_f4_a_page_that_fails_once_is_asked_for_again(
    s3: S3Server, proxy: HttpProxy, fault: Fault
) -> None:
    proxy.add(Rule(fault, path=LATER_PAGES))
    assert keys(behind(proxy, s3, "many", "orders", patience=300)) == MANY_KEYS
    assert len(proxy.faulted()) == 1


@pytest.mark.thorough_but("denied", "dropped")
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (S3Answer(503, "SlowDown"), SourceUnavailable),
        (CutAnswer(20_000), SourceUnavailable),
        (DropAnswer(), SourceUnavailable),
        (S3Answer(403, "AccessDenied"), SourceError),
    ],
    ids=["slow down", "cut", "dropped", "denied"],
)
def test_f4_a_page_that_always_fails_is_an_error_and_no_shorter_listing(
    s3: S3Server, proxy: HttpProxy, fault: Fault, error: type[EtlError]
) -> None:
    proxy.add(Rule(fault, path=LATER_PAGES, times=None))
    pages = behind(proxy, s3, "many", "orders").list()
    assert len(next(pages)) == PAGE
    with pytest.raises(error, match="listing it"):
        next(pages)


@pytest.mark.thorough
def test_a_page_that_comes_late_is_asked_for_again(s3: S3Server, proxy: HttpProxy) -> None:
    proxy.add(Rule(Delay(100), path=LATER_PAGES))
    assert keys(behind(proxy, s3, "many", "orders", idle=5, patience=300)) == MANY_KEYS
