"""The example of docs/files.md does what the page says."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.completeness import Manifest
from etl_assets.core.source_specs import Files
from etl_assets_tests.files.arrivals import ARRIVED
from etl_assets_tests.files.by_rows import BY_ROWS
from etl_assets_tests.files.shipments import DAY, SOURCE, SPEC, in_folder, key, open_shipments

KEYS = {"key": key(DAY, "a.csv"), "arrival": "shipments/a.csv", "rows": "shipments/a.csv"}
PAGE = Path(__file__).parents[2] / "docs" / "files.md"


def test_the_spec_of_the_page_loads_a_partners_file(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, str(PAGE), "exec"), module)
    spec = module["TABLE"]
    place = in_folder(tmp_path / "drop")
    place.drop(
        key(DAY, "a.csv"),
        b"carrier;sent_at;weight_kg;shipment_id\nDHL;16.05.2024;1,5;7\nUPS;17.05.2024;n/a;8\n",
    )
    changes = {name: getattr(spec, name) for name in ("source", "raw", "staged", "thresholds")}
    with open_shipments(place, tmp_path / "home", **changes) as shipments:
        shipments.load(DAY)
        rows = shipments.published(DAY)
        ledger = shipments.ledger()[key(DAY, "a.csv")]
    common = {"delivered_on": DAY, "file": key(DAY, "a.csv")}
    assert rows == [
        {"shipment_id": 7, "weight_kg": 1.5, "sent_at": date(2024, 5, 16), "line": 2, **common},
        {"shipment_id": 8, "weight_kg": None, "sent_at": date(2024, 5, 17), "line": 3, **common},
    ]
    assert (ledger.rows_read, ledger.rows_published) == (2, 2)


def test_the_manifest_of_the_page_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    place = in_folder(tmp_path / "drop")
    source = replace(SOURCE, complete=Manifest("manifest.json"))
    with open_shipments(place, tmp_path / "home", source=source) as shipments:
        place.drop(key(DAY, "manifest.json"), example.encode())
        waits = shipments.platform.look_at_files(shipments.table).waits[DAY]
    assert waits.startswith("1 of 1 file of its manifest is not there")
    assert key(DAY, "a.csv") in waits


@pytest.mark.parametrize("kind", KEYS)
def test_the_three_ways_of_the_page_say_where_the_day_comes_from(tmp_path: Path, kind: str) -> None:
    written = re.findall(r"`(Files\([^`]*\))`", PAGE.read_text(encoding="utf-8"))
    sources = {source.day_from: source for source in (eval(text) for text in written)}
    assert len(sources) == len(written) == 3
    place = in_folder(tmp_path / "drop")
    place.drop(
        KEYS[kind], f"shipment_id,weight_kg,carrier,delivered_on\n7,1.5,DHL,{DAY}\n".encode()
    )
    spec = {"key": SPEC, "arrival": ARRIVED, "rows": BY_ROWS}[kind]
    source = replace(sources[kind], settle=timedelta(0))
    assert isinstance(source, Files)
    with open_shipments(
        place, tmp_path / "home", spec=spec, source=source, last_day=None
    ) as shipments:
        shipments.platform.index_files(shipments.table)
        (day,) = shipments.late()
        shipments.load(day)
        (row,) = shipments.published(day)
    assert row["delivered_on"] == day
    assert kind == "arrival" or day == DAY
