"""Markers and manifests: a day is loaded when it is all there, and held against what was said."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.completeness import Manifest, Marker
from etl_assets.core.errors import DayIncomplete
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.pipeline.days import FailedDay
from etl_assets.pipeline.file_days import INCOMPLETE
from etl_assets_tests.files.shipments import (
    DAY,
    SOURCE,
    Place,
    Shipments,
    in_folder,
    key,
    lines,
    open_shipments,
    rows_of,
)

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

ONE, TWO, THREE = (1, "1.500", "DHL"), (2, "", "UPS"), (3, "0.001", "DHL")
MARK, MANIFEST = key(DAY, "_SUCCESS"), key(DAY, "manifest.json")


@contextmanager
def opened(place: Place, home: Path, complete: Marker, pattern: str = "") -> Iterator[Shipments]:
    source = replace(SOURCE, complete=complete, pattern=pattern or SOURCE.pattern)
    with open_shipments(place, home, source=source) as shipments:
        yield shipments


def manifest(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"files": entries, "sender": "a partner"}).encode()


def held(shipments: Shipments, mark: str) -> None:
    """The day's rows are those of its objects, and the marker is accounted for."""
    content = shipments.place.held.pop(mark)
    assert shipments.published(DAY) == rows_of(shipments.place, DAY)
    shipments.place.held[mark] = content
    assert shipments.ledger().keys() == shipments.place.held.keys()
    assert shipments.ledger()[mark].rows_read == 0


@pytest.mark.parametrize("pattern", [SOURCE.pattern, "shipments/{day:%Y/%m/%d}/**"])
def test_a_day_waits_for_its_marker(place: Place, tmp_path: Path, pattern: str) -> None:
    with opened(place, tmp_path / "home", Marker("_SUCCESS"), pattern) as shipments:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        place.drop(key(DAY, "b.csv"), lines(TWO))
        look = shipments.platform.look_at_files(shipments.table)
        assert (look.late, look.counts[INCOMPLETE]) == ([], 2)
        assert look.waits == {DAY: "_SUCCESS is not there"}
        loaded, _ = shipments.load(DAY)
        (failed,) = loaded.refused
        assert isinstance(failed, FailedDay)
        assert isinstance(failed.error, DayIncomplete)
        place.drop(MARK, b"")
        shipments.catch_up()
        held(shipments, MARK)


def test_a_marker_that_comes_again_loads_the_day_and_without_it_the_day_stays(
    place: Place, tmp_path: Path
) -> None:
    with opened(place, tmp_path / "home", Marker("_SUCCESS")) as shipments:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        place.drop(MARK, b"1")
        shipments.catch_up()
        place.remove(MARK)
        place.drop(key(DAY, "b.csv"), lines(TWO))
        before = shipments.published(DAY)
        assert shipments.late() == []
        shipments.load(DAY)
        assert shipments.published(DAY) == before
        place.drop(MARK, b"2")
        assert shipments.late() == [DAY]
        shipments.catch_up()
        held(shipments, MARK)


def test_f6_a_day_waits_for_the_files_of_its_manifest(place: Place, tmp_path: Path) -> None:
    with opened(place, tmp_path / "home", Manifest("manifest.json")) as shipments:
        a, b = lines(ONE, TWO), lines(THREE)
        md5 = hashlib.md5(b, usedforsecurity=False).hexdigest()
        place.drop(
            MANIFEST,
            manifest(
                {"name": "a.csv", "size": len(a), "rows": 2},
                {"key": key(DAY, "b.csv"), "rows": 1, "md5": md5.upper()},
            ),
        )
        place.drop(key(DAY, "a.csv"), a)
        look = shipments.platform.look_at_files(shipments.table)
        assert look.late == []
        assert "1 of 2 files of its manifest is not there" in look.waits[DAY]
        place.drop(key(DAY, "b.csv"), b)
        shipments.catch_up()
        held(shipments, MANIFEST)


BROKEN = {
    "bytes": {"size": 7},
    "rows": {"rows": 3},
    "MD5": {"md5": "0" * 32},
    "ETag": {"etag": '"0"'},
    "list": None,
}


@pytest.mark.thorough_but("folder", "s3-ETag")
@pytest.mark.parametrize("what", BROKEN)
def test_f6_a_file_that_is_not_what_the_manifest_says_is_refused(
    place: Place, tmp_path: Path, what: str
) -> None:
    with opened(place, tmp_path / "home", Manifest("manifest.json")) as shipments:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        place.drop(key(DAY, "b.csv"), lines(TWO, THREE))
        said = BROKEN[what]
        place.drop(
            MANIFEST,
            manifest({"name": "a.csv"}, *([{"name": "b.csv", **said}] if said else [])),
        )
        shipments.load(DAY)
        assert [row["shipment_id"] for row in shipments.published(DAY)] == [1]
        entry = shipments.ledger()[key(DAY, "b.csv")]
        assert (entry.status, entry.rows_read, entry.rows_published) == ("refused", 0, 0)
        assert what in (entry.error or "")
        assert "manifest" in (entry.error or "")
        assert shipments.late() == []
        place.drop(MANIFEST, manifest({"name": "a.csv"}, {"name": "b.csv", "rows": 2}))
        shipments.catch_up()
        held(shipments, MANIFEST)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'"text"',
        b'[{"name": 1}]',
        b'[{"name": "a.csv", "rows": "1"}]',
        b'[{"name": "a.csv", "rows": true}]',
        b'[{"name": "a.csv"}, {"name": "a.csv"}]',
        b"\xff",
    ],
)
def test_a_manifest_that_is_none_is_told_and_the_day_waits(tmp_path: Path, content: bytes) -> None:
    place = in_folder(tmp_path / "drop")
    with opened(place, tmp_path / "home", Manifest("manifest.json")) as shipments:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        place.drop(MANIFEST, content)
        look = shipments.platform.look_at_files(shipments.table)
        assert look.late == []
        assert "its manifest" in look.waits[DAY]


@pytest.mark.parametrize(
    ("mark", "pattern", "written"),
    [
        ("_SUCCESS", "x/{day:%Y-%m-%d}-*.csv", "no folder of its own"),
        ("x/*.ok", "x/{day:%Y-%m-%d}/*.csv", "not one key for each day"),
        ("x/all.ok", "x/{day:%Y-%m-%d}/*.csv", "not one key for each day"),
        ("y/{day:%Y-%m-%d}.ok", "x/{day:%Y-%m-%d}/*.csv", "not below 'x/'"),
    ],
)
def test_a_marker_that_cannot_be_is_refused(mark: str, pattern: str, written: str) -> None:
    with pytest.raises(ValueError, match=written):
        replace(SOURCE, pattern=pattern, complete=Marker(mark))


def test_a_marker_beside_the_folders_of_days_is_found() -> None:
    pattern = KeyPattern("x/{day:%Y/%m/%d}/*.csv")
    found = Marker("x/{day:%Y%m%d}.ok").keys(pattern)
    assert found.day_of("x/20240517.ok") == DAY
    source = replace(SOURCE, pattern=pattern.text, complete=Marker("x/{day:%Y%m%d}.ok"))
    assert not source.folders_of(DAY), "its folder alone would not show the marker"
