"""`files forget`: the days are late until they are loaded again, whatever their objects are."""

from dataclasses import replace
from pathlib import Path

import pytest

from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes
from etl_assets.pipeline.forget import forget
from etl_assets_tests.files.shipments import (
    DAY,
    NEXT,
    SOURCE,
    Shipments,
    in_folder,
    key,
    lines,
    open_shipments,
    rows_of,
)
from etl_assets_tests.files.ticks import Ticks, spans

pytestmark = pytest.mark.thorough_for("folder")  # what it shows, a bucket shows as well

ROW, OTHER = (1, "1.500", "DHL"), (2, "2", "UPS")


def test_a_forgotten_day_is_late_once_and_its_rows_stay(shipments: Shipments) -> None:
    for day in (DAY, NEXT):
        shipments.place.drop(key(day, "a.csv"), lines(ROW, OTHER))
    shipments.catch_up()
    loaded = shipments.ledger()[key(DAY, "a.csv")].run_id
    forget(shipments.platform.warehouse, shipments.table, [DAY])
    look = shipments.platform.look_at_files(shipments.table)
    assert look.told().endswith("Days forgotten by hand: 1.")
    assert [(one.day, "forgotten by hand" in one.why) for one in look.late] == [(DAY, True)]
    assert {one.part: one.status for one in shipments.platform.objects_of(shipments.table)} == {
        DAY: "forgotten",
        NEXT: "loaded",
    }
    assert shipments.published(DAY) == rows_of(shipments.place, DAY)
    shipments.catch_up()
    assert shipments.published(DAY) == rows_of(shipments.place, DAY)
    assert shipments.ledger()[key(DAY, "a.csv")].run_id != loaded


def test_the_sensor_asks_for_a_forgotten_day_and_again_when_it_is_forgotten_again(
    shipments: Shipments,
    ticks: Ticks,
) -> None:
    shipments.place.drop(key(DAY, "a.csv"), lines(ROW))
    shipments.catch_up()
    assert spans(ticks.tick()) == []
    forget(shipments.platform.warehouse, shipments.table, [DAY])
    assert spans(ticks.tick()) == [("2024-05-17", "2024-05-17")]
    assert spans(ticks.tick()) == [], "not while its run has not been tried"
    forget(shipments.platform.warehouse, shipments.table, [DAY])
    again = ticks.tick()
    assert spans(again) == [("2024-05-17", "2024-05-17")]
    assert "forgotten by hand" in again.run_requests[0].tags["etl_assets/why"]
    assert all(ticks.run(request) for request in again.run_requests)
    assert spans(ticks.tick()) == []
    assert shipments.late() == []


def test_a_day_whose_rows_are_kept_loses_them_when_it_is_forgotten(tmp_path: Path) -> None:
    place = in_folder(tmp_path / "drop")
    with open_shipments(place, tmp_path / "home", deletes=Deletes.KEEP) as shipments:
        for name in ("a.csv", "b.csv"):
            place.drop(key(DAY, name), lines(ROW))
        shipments.catch_up()
        place.remove(key(DAY, "a.csv"))
        assert shipments.late() == []
        forget(shipments.platform.warehouse, shipments.table, [DAY])
        shipments.catch_up()
        assert shipments.published(DAY) == rows_of(place, DAY)


def test_a_table_without_days_is_forgotten_and_loaded_again_though_its_rows_are_the_same(
    tmp_path: Path,
) -> None:
    place = in_folder(tmp_path / "drop")
    source = replace(SOURCE, pattern="shipments/**.csv", day_column=None)
    spec = {"source": source, "partition_column": None}
    with open_shipments(place, tmp_path / "home", **spec) as shipments:
        place.drop(key(DAY, "a.csv"), lines_without_day())
        shipments.catch_up()
        place.drop(key(DAY, "a.csv"), lines_without_day())  # the same bytes, another change time
        shipments.catch_up()
        forget(shipments.platform.warehouse, shipments.table, [WHOLE])
        assert shipments.late() == [WHOLE]
        shipments.catch_up()


def lines_without_day() -> bytes:
    header = "shipment_id,weight_kg,carrier,delivered_on\n"
    return lines((*ROW, "2024-05-17"), header=header)
