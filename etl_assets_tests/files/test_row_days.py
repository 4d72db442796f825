"""Rows that say their day: an object has rows of many days, and a day rows of many objects."""

import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.contracts import Contract, column
from etl_assets.core.errors import SourceUnavailable
from etl_assets.core.file_formats import Parquet
from etl_assets.core.file_index import ObjectDays, indexed
from etl_assets.core.ledger import FileStatus
from etl_assets.core.policies import Thresholds
from etl_assets.pipeline.file_days import OUTSIDE, UNREAD
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.results import Limits
from etl_assets.sources.files.store import ObjectStore
from etl_assets_tests.files.by_rows import BY_ROWS, good, held, ledger, lines, rows_of
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    THIRD,
    Place,
    Shipments,
    in_folder,
    open_shipments,
)

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

A, B = "shipments/a.csv", "shipments/sub/b.csv.gz"
LENIENT = Thresholds(max_bad_share=1.0, min_share_of_last=0.0, max_change=1e9)


class Counted(ObjectStore):
    """A store that counts how often an object is read, and breaks off when it is told to."""

    def __init__(self, store: ObjectStore, reads: Counter[str], broken: set[str]) -> None:
        super().__init__(store.location)
        self._store, self._reads, self._broken = store, reads, broken

    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        return self._store.list(after, below)

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        self._reads[stored.key] += 1
        if stored.key in self._broken:
            self._broken.discard(stored.key)
            raise SourceUnavailable("The store broke off.", "Run it again.")
        for chunk in self._store.read(stored):
            yield from (chunk[at : at + 64] for at in range(0, len(chunk), 64))


@pytest.fixture
def reads() -> Counter[str]:
    return Counter()


@pytest.fixture
def broken() -> set[str]:
    return set()


@pytest.fixture
def shipments(
    place: Place,
    tmp_path: Path,
    reads: Counter[str],
    broken: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shipments]:
    monkeypatch.setattr("etl_assets.sources.files.source.LIMITS", Limits(block_bytes=64))
    with open_shipments(place, tmp_path / "home", spec=BY_ROWS, thresholds=LENIENT) as opened:
        found = opened.platform.sources.store
        opened.platform.sources.store = lambda t: Counted(found(t), reads, broken)  # type: ignore[method-assign]
        yield opened


def late(shipments: Shipments) -> list[date]:
    """What is late once all objects are read, as an `index_files` run does it."""
    shipments.platform.index_files(shipments.table)
    return shipments.late()


def load(shipments: Shipments) -> None:
    days = late(shipments)
    if days:
        shipments.load(*days)
    assert shipments.late() == []


def index(shipments: Shipments) -> dict[str, list[ObjectDays]]:
    return indexed(shipments.platform.warehouse.file_days(shipments.table))


def test_an_object_has_rows_of_many_days_and_a_day_of_many_objects(shipments: Shipments) -> None:
    place = shipments.place
    place.drop(A, lines(good(DAY, 1), good(THIRD, 2), good(DAY, 3), good(NEXT, 4)))
    place.drop(B, gzip.compress(lines(good(THIRD, 5), good(DAY, 6))))
    look = shipments.platform.look_at_files(shipments.table)
    assert (look.late, look.counts[UNREAD]) == ([], 2)
    assert "2 to be read before their days are known" in look.told()
    assert late(shipments) == [DAY, NEXT, THIRD]
    load(shipments)
    held(shipments)
    parts = {(e.object_key, e.partition_key): e.rows_read for e in ledger(shipments)}
    assert parts == {(A, DAY): 2, (A, NEXT): 1, (A, THIRD): 1, (B, DAY): 1, (B, THIRD): 1}


def test_a_load_reads_by_itself_what_is_not_in_the_index(shipments: Shipments) -> None:
    shipments.place.drop(A, lines(good(DAY), good(NEXT)))
    shipments.load(NEXT)
    assert shipments.published(NEXT) == rows_of(shipments.place, NEXT)
    assert shipments.late() == [DAY]


def test_f2_an_overwritten_object_changes_the_days_that_it_had_and_those_that_it_has(
    shipments: Shipments,
) -> None:
    place = shipments.place
    place.drop(A, lines(good(DAY, 1), good(NEXT, 2)))
    place.drop(B, gzip.compress(lines(good(DAY, 3), good(THIRD, 4))))
    load(shipments)
    place.drop(A, lines(good(NEXT, 5), good(THIRD, 2)))
    look = shipments.platform.look_at_files(shipments.table)
    assert (look.late, look.counts[UNREAD]) == ([], 1), "its days wait until it is read"
    assert late(shipments) == [DAY, NEXT, THIRD]
    load(shipments)
    held(shipments)
    assert len(index(shipments)[A]) == 1, "the old content is not kept"
    place.remove(A)
    assert late(shipments) == [NEXT, THIRD]
    load(shipments)
    held(shipments)
    assert index(shipments).keys() == {B}


def test_f9_every_line_is_accounted_for_on_one_day_of_its_object(shipments: Shipments) -> None:
    place = shipments.place
    bad = [("x", 1, "DHL", DAY), (1, 1, "DHL", "2024-02-30"), (1, 1, "DHL", ""), (1, 1)]
    rows = [good(DAY, 1), *bad, good(NEXT, 2), (0, 1, "DHL", DAY), good(NEXT, 3), good(NEXT, 4)]
    place.drop(A, lines(*rows))
    load(shipments)
    held(shipments)
    entries = {e.partition_key: (e.rows_read, e.rows_quarantined) for e in ledger(shipments)}
    assert entries == {DAY: (2, 1), NEXT: (7, 4)}, "bad lines are on the day of most rows"
    aside = shipments.platform.warehouse.quarantined(shipments.table, days=[NEXT])
    assert len({position.rsplit(" ", 1)[1] for position in aside["source_position"]}) == 4
    assert shipments.late() == []


def test_an_object_without_any_day_is_of_the_day_on_which_it_arrived(
    place: Place, tmp_path: Path
) -> None:
    with open_shipments(
        place, tmp_path / "home", spec=BY_ROWS, thresholds=LENIENT, last_day=None
    ) as shipments:
        place.drop("shipments/bad.csv", lines(("x", 1, "DHL", ""), (1, 2)))
        place.drop("shipments/cut.csv", lines(good(DAY))[:-1])
        place.drop("shipments/none.csv", lines())
        (today,) = late(shipments)
        assert today >= date(2026, 1, 1)
        shipments.load(today)
        assert shipments.late() == []
        found = {e.object_key.rsplit("/", 1)[1]: e for e in ledger(shipments)}
    assert {name: (e.status, e.rows_read, e.rows_quarantined) for name, e in found.items()} == {
        "bad.csv": (FileStatus.LOADED, 2, 2),
        "cut.csv": (FileStatus.REFUSED, 0, 0),
        "none.csv": (FileStatus.LOADED, 0, 0),
    }


def test_m5_rows_of_days_that_the_platform_does_not_have_are_told(shipments: Shipments) -> None:
    outside = [good(date(1999, 1, 1)), good(date(1999, 1, 1), 2), good(date(2030, 1, 1))]
    shipments.place.drop(A, lines(good(DAY), *outside))
    assert late(shipments) == [DAY]
    look = shipments.platform.look_at_files(shipments.table)
    assert (look.counts[OUTSIDE], look.outside_rows) == (2, 3)
    assert "3 rows are of days that the platform does not have" in look.told()
    load(shipments)
    assert [row["shipment_id"] for row in shipments.published(DAY)] == [1]


def test_an_object_is_read_once_for_its_days_and_at_most_twice_for_a_run(
    shipments: Shipments, reads: Counter[str]
) -> None:
    days = [date(2024, 5, number) for number in range(17, 30)]
    rows = [good(day, number + 1) for number in range(20) for day in days]
    shipments.place.drop(A, lines(*rows))
    assert late(shipments) == days
    assert reads[A] == 1
    assert late(shipments) == days
    assert reads[A] == 1, "what is in the index is not read again"
    shipments.load(*days)
    assert reads[A] == 3
    for day in days:
        assert shipments.published(day) == rows_of(shipments.place, day)
    assert not list((shipments.folder / "spool").rglob("*.parquet"))


def test_an_index_that_is_lost_is_read_again_and_nothing_else_happens(
    shipments: Shipments, reads: Counter[str]
) -> None:
    shipments.place.drop(A, lines(good(DAY), good(NEXT)))
    load(shipments)
    warehouse, table = shipments.platform.warehouse, shipments.table
    before = index(shipments)
    warehouse.put_file_days(table, [A], [])
    reads.clear()
    assert late(shipments) == []
    assert (reads[A], index(shipments)) == (1, before)


def test_an_index_that_is_wrong_is_found_and_mended(shipments: Shipments) -> None:
    shipments.place.drop(A, lines(good(DAY, 1), good(NEXT, 2), good(DAY, 3)))
    assert late(shipments) == [DAY, NEXT]
    warehouse, table = shipments.platform.warehouse, shipments.table
    (known,) = index(shipments)[A]
    wrong = replace(known, rows={DAY: 1, NEXT: 1})
    warehouse.put_file_days(table, [A], [wrong.entry(table.path, A)])
    shipments.load(DAY, NEXT)
    held(shipments)
    assert index(shipments)[A] == [known]


def test_what_was_read_before_a_store_broke_off_is_not_read_again(
    shipments: Shipments, reads: Counter[str], broken: set[str]
) -> None:
    shipments.place.drop(A, lines(good(DAY)))
    shipments.place.drop(B, gzip.compress(lines(good(NEXT))))
    broken.add(B)
    assert late(shipments) == [DAY, NEXT]
    assert reads == {A: 1, B: 2}


def test_another_way_of_reading_reads_every_object_again(
    place: Place, tmp_path: Path, reads: Counter[str]
) -> None:
    place.drop(A, lines(good(DAY)).replace(b",", b";"))
    source = BY_ROWS.source
    with open_shipments(
        place, tmp_path / "home", spec=BY_ROWS, last_day=None, thresholds=LENIENT
    ) as shipments:
        assert late(shipments) != [DAY], "it is refused, and of the day of arrival"
    mended = replace(source, format=replace(source.format, delimiter=";"))  # type: ignore[attr-defined, type-var]
    with open_shipments(
        place, tmp_path / "home", spec=BY_ROWS, source=mended, thresholds=LENIENT
    ) as shipments:
        assert late(shipments) == [DAY]
        assert len(index(shipments)[A]) == 1


class ByMoment(Contract):
    """A line whose moment says its UTC day."""

    shipment_id: pl.Int64 = column(description="Number.")
    sent_at: "pl.Datetime('us', 'UTC')" = column(description="When it was sent.", nullable=True)
    file: pl.String = column(description="The object.")

    class Config:
        """The key."""

        unique = ("shipment_id", "sent_at", "file")


def test_a_moment_is_of_its_utc_day_in_parquet_as_well(place: Place, tmp_path: Path) -> None:
    moments = [
        datetime(2024, 5, 17, 23, 59, 59, 999_999, UTC),
        datetime(2024, 5, 18, tzinfo=UTC),
        None,
        datetime(1, 1, 1, tzinfo=UTC),
    ]
    frame = pl.DataFrame(
        {"shipment_id": [1, 2, 3, 4], "sent_at": moments},
        schema_overrides={"sent_at": pl.Datetime("us", "UTC")},
    )
    written = io.BytesIO()
    frame.write_parquet(written)
    changes: dict[str, Callable[..., Any] | Any] = {
        "raw": ByMoment,
        "staged": ByMoment,
        "partition_column": "sent_at",
        "source": replace(
            BY_ROWS.source,  # type: ignore[type-var]
            format=Parquet(),
            pattern="shipments/*.parquet",
            line_column=None,
        ),
        "thresholds": LENIENT,
    }
    with open_shipments(place, tmp_path / "home", spec=BY_ROWS, **changes) as shipments:
        place.drop("shipments/a.parquet", written.getvalue())
        assert late(shipments) == [DAY, NEXT]
        shipments.load(DAY, NEXT)
        counts = {e.partition_key: (e.rows_read, e.rows_published) for e in ledger(shipments)}
        assert counts == {DAY: (3, 1), NEXT: (1, 1)}
        aside = shipments.platform.warehouse.quarantined(shipments.table)
        assert sorted(aside["rule"]) == [
            "sent_at: no day (it is none that a table can have)",
            "sent_at: no day (there is none)",
        ]


def test_days_of_rows_are_loaded_from_a_folder_that_changes_while_it_is_read(
    tmp_path: Path,
) -> None:
    place = in_folder(tmp_path / "drop")
    with open_shipments(place, tmp_path / "home", spec=BY_ROWS) as shipments:
        place.drop(A, lines(good(DAY)))
        found = shipments.platform.sources.store

        class Overwritten(Counted):
            def read(self, stored: StoredObject) -> Iterator[bytes]:
                if place.held[A] == lines(good(DAY)):
                    place.drop(A, lines(good(NEXT), good(THIRD)))
                return super().read(stored)

        shipments.platform.sources.store = (  # type: ignore[method-assign]
            lambda table: Overwritten(found(table), Counter(), set())
        )
        shipments.load(DAY, NEXT, THIRD)
        held(shipments)
