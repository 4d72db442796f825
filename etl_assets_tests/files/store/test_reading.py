"""Objects of S3 and of a folder are read as they were listed."""

import os
from pathlib import Path

import pytest

from etl_assets.core.errors import (
    ObjectChanged,
    ObjectGone,
    SourceUnavailable,
)
from etl_assets.sources.files.store import CHUNK, open_store
from etl_assets_tests.files.store.objects import BIG, Place, behind, content, on, only
from etl_assets_tests.s3_server import S3Server
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


def test_a_read_is_the_content_in_bounded_chunks(place: Place) -> None:
    store, put, _ = place
    put("big", BIG)
    chunks = list(store.read(only(store)))
    assert len(chunks) > 1
    assert max(map(len, chunks)) <= CHUNK
    assert b"".join(chunks) == BIG


@pytest.mark.parametrize("text", [b"", b"x"])
def test_small_and_empty_objects_are_read(place: Place, text: bytes) -> None:
    store, put, _ = place
    put("a", text)
    assert content(store, only(store)) == text


def test_f16_an_object_overwritten_before_it_is_read_is_not_read(place: Place) -> None:
    store, put, _ = place
    put("a", b"aaaa")
    stored = only(store)
    put("a", b"bbbb")
    with pytest.raises(ObjectChanged, match='"a"'):
        content(store, stored)
    assert content(store, only(store)) == b"bbbb"


def test_f16_an_object_deleted_between_listing_and_read_is_gone(place: Place) -> None:
    store, put, delete = place
    put("day/a", b"aaaa")
    stored = only(store)
    delete("day/a")
    with pytest.raises(ObjectGone, match='"day/a"'):
        content(store, stored)


def test_f16_an_object_replaced_in_mid_read_is_not_read_on(
    s3: S3Server, proxy: HttpProxy, bucket: str
) -> None:
    """The connection breaks in its middle, and when it is taken up again there is another."""
    s3.put(bucket, "big", BIG)
    proxy.add(Rule(CutAnswer(CHUNK), path="big"))
    store = behind(proxy, s3, bucket, "", patience=300)
    chunks = store.read(only(store))
    first = next(chunks)
    assert first == BIG[: len(first)]
    s3.put(bucket, "big", BIG[::-1])
    with pytest.raises(ObjectChanged):
        list(chunks)


@pytest.mark.parametrize("how", ["in place", "renamed over", "longer", "shorter"])
def test_f16_a_file_replaced_in_mid_read_is_not_read_on(tmp_path: Path, how: str) -> None:
    file, other = tmp_path / "in" / "a", tmp_path / "other"
    file.parent.mkdir()
    file.write_bytes(BIG)
    store = open_store(on(file.parent))
    chunks = store.read(only(store))
    next(chunks)
    if how == "in place":
        with file.open("r+b") as opened:
            opened.write(b"other")
    elif how == "longer":
        with file.open("ab") as opened:
            opened.write(b"more")
    elif how == "shorter":
        os.truncate(file, len(BIG) - 1)
    else:
        other.write_bytes(BIG[::-1])
        other.rename(file)
    with pytest.raises(ObjectChanged):
        list(chunks)


@pytest.mark.parametrize(
    "fault",
    [S3Answer(503, "SlowDown"), CutAnswer(100), CutAnswer(CHUNK), Reset(), DropAnswer()],
    ids=["slow down", "cut at once", "cut in the middle", "reset", "dropped"],
)
def test_a_read_that_breaks_off_goes_on_where_it_was(
    s3: S3Server, proxy: HttpProxy, bucket: str, fault: Fault
) -> None:
    s3.put(bucket, "big", BIG)
    proxy.add(Rule(fault, path="big", times=2))
    store = behind(proxy, s3, bucket, "", patience=300)
    assert content(store, only(store)) == BIG
    assert len(proxy.faulted()) == 2


def test_a_read_that_always_ends_early_is_an_error(
    s3: S3Server, proxy: HttpProxy, bucket: str
) -> None:
    s3.put(bucket, "a", b"x" * 1000)
    proxy.add(Rule(CutAnswer(100), path="/a", times=None))
    store = behind(proxy, s3, bucket, "")
    with pytest.raises(SourceUnavailable, match='reading "a"'):
        content(store, only(store))


@pytest.mark.thorough
def test_a_read_that_stands_still_is_taken_up_again(
    s3: S3Server, proxy: HttpProxy, bucket: str
) -> None:
    s3.put(bucket, "a", b"x" * 1000)
    proxy.add(Rule(Delay(30), path="/a"))
    store = behind(proxy, s3, bucket, "", idle=5, patience=300)
    assert content(store, only(store)) == b"x" * 1000
