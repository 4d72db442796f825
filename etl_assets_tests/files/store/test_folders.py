"""Folders: links are not followed, and no key leads out."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from etl_assets.core.errors import (
    ObjectGone,
    SourceError,
)
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.store import PAGE, open_store
from etl_assets_tests.files.store.objects import content, keys, listed, on, only


def test_links_are_not_followed_wherever_they_lead(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "in"
    (folder / "day").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    (folder / "day" / "a").write_bytes(b"x")
    (folder / "file").symlink_to(outside / "secret")
    (folder / "folder").symlink_to(outside)
    (folder / "inside").symlink_to(folder / "day")
    (folder / "broken").symlink_to("nowhere")
    (folder / "day" / "loop").symlink_to(folder)
    assert keys(open_store(on(folder))) == ["day/a"]


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "day").mkdir(parents=True)
    (folder / "day" / "a").write_bytes(b"x")
    store = open_store(on(folder))
    stored = only(store)
    (folder / "day").rename(tmp_path / "outside")
    (folder / "day").symlink_to(tmp_path / "outside")
    with pytest.raises(ObjectGone):
        content(store, stored)


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/../../secret", "", ".", "a\0"])
def test_a_key_never_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    store = open_store(on(folder))
    stored = only(store)
    with pytest.raises(SourceError, match="can have the key"):
        content(store, StoredObject(key, stored.etag, None, 1, stored.modified))


def test_only_files_are_listed_and_none_that_is_still_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a.csv#1").touch()
    (tmp_path / "a.csv#b").touch()
    (tmp_path / "empty folder").mkdir()
    assert keys(open_store(on(tmp_path))) == ["a.csv#b"]


def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No such file or directory.*OBJECT_STORE_URL"):
        listed(open_store(on(tmp_path / "nowhere")))


def test_a_name_that_is_not_utf8_is_told_and_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv")).touch()
    with pytest.raises(SourceError, match="not UTF-8"):
        listed(open_store(on(tmp_path)))


def test_a_listing_or_read_that_is_left_leaves_nothing_open(tmp_path: Path) -> None:
    for number in range(PAGE + 1):
        (tmp_path / f"{number:05}").write_bytes(b"x")
    store = open_store(on(tmp_path))
    pages = store.list()
    stored = next(pages)[0]
    chunks = store.read(stored)
    next(chunks)
    assert {str(tmp_path), str(tmp_path / stored.key)} <= open_files()
    del pages, chunks
    assert not [name for name in open_files() if name.startswith(str(tmp_path))]


def open_files() -> set[str]:
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of this listing
            found.add(str(file.readlink()))
    return found
