"""A key of an object is any UTF-8; what no path can be made of is told."""

from pathlib import Path

import pytest

from etl_assets.core.errors import (
    SourceError,
)
from etl_assets.sources.files.store import open_store
from etl_assets_tests.files.store.objects import content, keys, listed, on, only
from etl_assets_tests.s3_server import S3Server

ODD_KEYS = [
    *("a%2Fb", "a b", "q'\"; DROP TABLE x", "back\\slash", "100%", "%zz", "+plus", "a?b=c&d#e"),
    *("é", "e\u0301", "😀/😀", "{b}*[~]", "-r", "$(id)", "k/" + "ü" * 511, "n" * 200 + ".csv"),
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_an_odd_key_is_a_key(s3: S3Server, bucket: str, key: str) -> None:
    s3.put(bucket, f"in/{key}"[:1024], b"x")
    store = open_store(s3.settings(bucket, "in"))
    stored = only(store)
    assert stored.key == key
    assert content(store, stored) == b"x"


@pytest.mark.parametrize("key", [*(key for key in ODD_KEYS if len(key) < 250), "new\nline", "\x01"])
def test_an_odd_name_of_a_file_is_a_key(tmp_path: Path, key: str) -> None:
    path = tmp_path / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    store = open_store(on(tmp_path))
    stored = only(store)
    assert stored.key == key
    assert content(store, stored) == b"x"


def test_a_key_of_1024_bytes_is_a_key(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "k" * 1024, b"x")
    assert keys(open_store(s3.settings(bucket))) == ["k" * 1024]


@pytest.mark.parametrize("key", ["../up", "a/../b", "./a", "a//b", "/a", "tab\t"])
def test_a_key_that_no_path_can_be_made_of_is_told_and_nothing_is_left_out(
    s3: S3Server, bucket: str, key: str
) -> None:
    s3.put(bucket, "in/a", b"x")
    s3.put(bucket, f"in/{key}", b"x")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        listed(open_store(s3.settings(bucket, "in")))
    assert "\t" not in str(caught.value)
    assert key.replace("\t", "\\t") in str(caught.value)
