"""Objects become days: new, late, overwritten, deleted and broken ones, each accounted for."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.errors import EtlError
from etl_assets.core.file_formats import FileFormat, JsonLines, Parquet
from etl_assets.core.ledger import FileStatus
from etl_assets.core.policies import Deletes
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import load
from etl_assets.sources.snapshot import Snapshot
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    SOURCE,
    THIRD,
    Place,
    Shipments,
    in_folder,
    key,
    lines,
    open_shipments,
    rows_of,
)

ONE, TWO, THREE = (1, "1.500", "DHL"), (2, "", "UPS"), (3, "0.001", "DHL")


def held(shipments: Shipments) -> None:
    """Every day is published as the place holds it, and the ledger says so."""
    for day in (DAY, NEXT, THIRD):
        assert shipments.published(day) == rows_of(shipments.place, day)
    ledger = shipments.ledger()
    assert ledger.keys() == shipments.place.held.keys()
    for entry in ledger.values():
        assert (entry.status, entry.error) == (FileStatus.LOADED, None)
        assert entry.rows_read == entry.rows_published + entry.rows_quarantined
        assert entry.size == len(shipments.place.held[entry.object_key])


def test_objects_become_the_days_that_their_keys_say(shipments: Shipments) -> None:
    place = shipments.place
    assert shipments.late() == []
    place.drop(key(DAY, "a.csv"), lines(ONE, TWO))
    place.drop(key(DAY, "b.csv.gz"), gzip.compress(lines(THREE)))
    place.drop(key(NEXT, "a b'%2F;ü.csv"), lines(ONE))
    place.drop("shipments/2024/05/17/read me.txt", b"none of ours")
    place.drop("elsewhere/2024/05/17/a.csv", b"neither")
    del place.held["shipments/2024/05/17/read me.txt"], place.held["elsewhere/2024/05/17/a.csv"]
    assert shipments.late() == [DAY, NEXT]
    shipments.catch_up()
    held(shipments)


def test_f2_an_overwritten_object_replaces_its_own_rows_and_the_same_bytes_nothing(
    shipments: Shipments,
) -> None:
    place = shipments.place
    place.drop(key(DAY, "a.csv"), lines(ONE, TWO))
    place.drop(key(DAY, "b.csv"), lines(THREE))
    place.drop(key(NEXT, "c.csv"), lines(ONE))
    shipments.catch_up()
    first_seen = shipments.ledger()[key(DAY, "a.csv")].first_seen
    place.drop(key(DAY, "a.csv"), lines(TWO, ONE))  # as long, in the same second
    assert shipments.late() == [DAY]
    shipments.catch_up()
    held(shipments)
    entry = shipments.ledger()[key(DAY, "a.csv")]
    assert entry.first_seen == first_seen < entry.last_seen


def test_f3_late_and_deleted_objects_change_their_day_alone(shipments: Shipments) -> None:
    place = shipments.place
    for day in (DAY, NEXT, THIRD):
        place.drop(key(day, "a.csv"), lines(ONE, TWO, THREE))
    shipments.catch_up()
    place.drop(key(DAY, "0.csv"), lines(TWO))  # its key comes before what was read
    place.drop(key(THIRD, "b.csv"), lines(THREE, ONE, TWO))
    place.remove(key(THIRD, "a.csv"))
    assert shipments.late() == [DAY, THIRD]
    shipments.catch_up()
    held(shipments)


def test_a_day_whose_objects_are_all_gone_is_refused_until_it_is_confirmed(
    shipments: Shipments,
) -> None:
    place = shipments.place
    place.drop(key(DAY, "a.csv"), lines(ONE, TWO, THREE))
    shipments.catch_up()
    before = shipments.published(DAY)
    place.remove(key(DAY, "a.csv"))
    assert shipments.late() == [DAY]
    loaded, _ = shipments.load(DAY)
    (refused,) = loaded.audited
    assert "row_count_against_published" in refused.blocking
    assert shipments.published(DAY) == before


def test_deletes_keep_keeps_the_day_of_an_object_that_is_gone(
    place: Place, shipments: Shipments
) -> None:
    with open_shipments(place, shipments.folder / "keeps", deletes=Deletes.KEEP) as keeping:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        place.drop(key(DAY, "b.csv"), lines(TWO))
        keeping.catch_up()
        before = keeping.published(DAY)
        place.remove(key(DAY, "a.csv"))
        look = keeping.platform.look_at_files(keeping.table)
        assert (look.late, look.counts["gone whose rows are kept"]) == ([], 1)
        assert keeping.published(DAY) == before


CUT = {
    "f6_no_final_newline": lines(ONE, TWO)[:-1],
    "f7_a_cut_gzip": gzip.compress(lines(ONE, TWO))[:-9],
    "f7_a_wrong_crc": bytearray(gzip.compress(lines(ONE, TWO))),
    "f11_another_encoding": lines((1, "1", "Müller")).decode().encode("latin-1"),
    "f12_a_column_twice": lines(ONE, header="shipment_id,weight_kg,weight_kg\n"),
    "f16_a_column_that_is_not_there": lines((1, "2"), header="shipment_id,weight_kg\n"),
}
CUT["f7_a_wrong_crc"][-6] ^= 1  # type: ignore[index]


@pytest.mark.thorough_but("folder", "s3-f7_a_wrong_crc")
@pytest.mark.parametrize("how", CUT)
def test_a_file_that_cannot_be_trusted_is_set_aside_whole_and_read_again_when_it_changes(
    shipments: Shipments, how: str
) -> None:
    place = shipments.place
    name = key(DAY, "b.csv" + (".gz" if "gzip" in how or "crc" in how else ""))
    place.drop(key(DAY, "a.csv"), lines(ONE))
    place.drop(key(DAY, "z.csv"), lines(THREE))
    place.drop(name, bytes(CUT[how]))
    loaded, _ = shipments.load(DAY)
    (day,) = loaded.good
    (failed,) = [result for result in day.results if not result.passed]
    assert (failed.check.name, failed.evidence["refused"]) == ("files_read", 1)
    entry = shipments.ledger()[name]
    assert entry.status == FileStatus.REFUSED
    assert entry.error
    assert (entry.rows_read, entry.rows_published, entry.rows_quarantined) == (0, 0, 0)
    content = place.held.pop(name)
    assert shipments.published(DAY) == rows_of(place, DAY)
    place.held[name] = content
    assert shipments.late() == [], "it is tried again when it changes"
    good = lines(TWO)
    place.drop(name, gzip.compress(good) if name.endswith(".gz") else good)
    shipments.catch_up()
    held(shipments)


def test_f9_bad_lines_are_set_aside_with_file_and_line_and_the_others_load(
    shipments: Shipments,
) -> None:
    place = shipments.place
    content = lines(ONE, ("x", "1", "DHL"), (3, "1.23456", "DHL"), (4, "1"), (0, "1", "DHL"), TWO)
    place.drop(key(DAY, "a.csv"), content)
    loaded, _ = shipments.load(DAY)
    assert [day.day for day in loaded.good] == [DAY]
    assert [(row["shipment_id"], row["line"]) for row in shipments.published(DAY)] == [
        (1, 2),
        (2, 7),
    ]
    entry = shipments.ledger()[key(DAY, "a.csv")]
    assert (entry.rows_read, entry.rows_published, entry.rows_quarantined) == (6, 2, 4)
    aside = shipments.platform.warehouse.quarantined(shipments.table)
    places = sorted(position.rsplit("/", 1)[1] for position in aside["source_position"])
    assert places[:3] == ['a.csv" line 3', 'a.csv" line 4', 'a.csv" line 5']
    assert "x,1,DHL" in "".join(aside["payload"])
    place.drop(key(DAY, "a.csv"), lines(ONE, TWO))
    shipments.catch_up()
    assert shipments.platform.warehouse.quarantined(shipments.table).height == 0
    held(shipments)


def test_f4_many_objects_are_one_day(shipments: Shipments) -> None:
    place = shipments.place
    for number in range(120):
        place.drop(key(DAY, f"part-{number}.csv"), lines((number + 1, "1", "DHL")))
    shipments.catch_up()
    held(shipments)


def test_a_folder_without_the_tables_objects_is_empty_and_one_that_is_away_is_an_error(
    tmp_path: Path,
) -> None:
    place = in_folder(tmp_path / "drop")
    with open_shipments(place, tmp_path / "home") as shipments:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        shipments.catch_up()
        (tmp_path / "drop").rename(tmp_path / "unmounted")
        with pytest.raises(EtlError, match="drop"):
            shipments.late()
        held_before = shipments.published(DAY)
        with pytest.raises(EtlError):
            shipments.load(DAY)
        assert shipments.published(DAY) == held_before


def test_f16_an_object_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    place = in_folder(tmp_path / "drop")
    with open_shipments(place, tmp_path / "home") as shipments:
        place.drop(key(DAY, "a.csv"), lines(ONE))
        source = shipments.platform.source(shipments.table)
        opened = source.snapshot

        @contextmanager
        def overwritten_once() -> Iterator[Snapshot]:
            with opened() as snapshot:
                if place.held[key(DAY, "a.csv")] == lines(ONE):
                    place.drop(key(DAY, "a.csv"), lines(TWO, THREE))
                yield snapshot

        source.snapshot = overwritten_once  # type: ignore[method-assign]
        with shipments.platform.spool("run", "load") as spool:
            args = (shipments.table, source, shipments.platform.warehouse, [DAY], spool, "run")
            loaded = load(*args)
            publish_days(shipments.platform.warehouse, shipments.table, loaded.good, "run")
        held(shipments)


def in_json(*rows: tuple[int, str | None, str]) -> bytes:
    texts = (
        json.dumps(
            {"carrier": carrier, "weight_kg": weight and float(weight), "shipment_id": number}
        )
        for number, weight, carrier in rows
    )
    return "".join(f"{text}\n" for text in texts).encode()


def in_parquet(*rows: tuple[int, str | None, str]) -> bytes:
    columns = {"shipment_id": pl.Int32, "weight_kg": pl.Decimal(6, 3), "carrier": pl.String}
    written = io.BytesIO()
    values = [(number, weight and Decimal(weight), carrier) for number, weight, carrier in rows]
    pl.DataFrame(values, schema=columns, orient="row").write_parquet(written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("of", "encoded", "first"), [(JsonLines(), in_json, 1), (Parquet(), in_parquet, 1)]
)
def test_other_formats_take_the_same_road_and_leave_nothing_behind(
    place: Place, tmp_path: Path, of: FileFormat, encoded: Callable[..., bytes], first: int
) -> None:
    rows = [(7, "1.5", "DHL"), (8, None, "UPS")]
    source = replace(SOURCE, format=of)
    with open_shipments(place, tmp_path / "home", source=source) as shipments:
        place.drop(key(DAY, "a.csv"), encoded(*rows))
        place.drop(key(DAY, "cut.csv"), encoded(*rows)[:-4])
        shipments.load(DAY)
        found = shipments.published(DAY)
        ledger = shipments.ledger()
        assert not list((tmp_path / "home" / "spool").rglob("*.parquet"))
    assert [(row["shipment_id"], row["weight_kg"], row["carrier"]) for row in found] == [
        (number, weight and Decimal(weight), carrier) for number, weight, carrier in rows
    ]
    assert [row["line"] for row in found] == [first, first + 1]
    statuses = [ledger[key(DAY, name)].status for name in ("a.csv", "cut.csv")]
    assert statuses == [FileStatus.LOADED, FileStatus.REFUSED]
