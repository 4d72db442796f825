"""The files of the demo's partners, in a folder and in a bucket."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.errors import ConfigError, SourceError
from etl_assets.demo.partners import drop_file, fill_partners
from etl_assets.demo.plan import BAD_LINES, ShopPlan, bad_lines
from etl_assets.demo.price_lists import price_lists
from etl_assets.demo.shipments import late_file, shipment_files
from etl_assets.sources.files.writable import WritableStore

SMALL = ShopPlan(days=3, orders_a_day=30)
CUT = ShopPlan(days=3, orders_a_day=320)


@dataclass
class Killed:
    """A place whose process is killed when it puts its fourth object."""

    store: WritableStore
    left: int = 3

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put(self, key: str, content: bytes) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.store.put(key, content)


Make = Callable[[], WritableStore]


@pytest.fixture(params=["folder", "s3"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens a store that is empty at first."""
    if request.param == "folder":
        url = (tmp_path / "partners of the demo").as_uri()
        return lambda: WritableStore(ObjectStoreSettings(), url)
    server = request.getfixturevalue("s3")
    settings = server.settings(server.bucket(), "demo/partners")
    return lambda: WritableStore(settings, settings.url)


def contents(store: WritableStore) -> dict[str, bytes]:
    keys = [*store.keys("shipments/"), *store.keys("supplier_prices/")]
    return {key: store.read(key) for key in keys}


def rows(content: bytes) -> list[dict[str, str]]:
    """The records of a carrier's file, by Python's own means."""
    text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return list(csv.DictReader(io.StringIO(text.decode()), delimiter=";"))


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not() -> None:
    def digest(plan: ShopPlan) -> str:
        both = {**shipment_files(plan).objects, **price_lists(plan)}
        return hashlib.sha256(repr(sorted(both.items())).encode()).hexdigest()

    assert digest(SMALL) == digest(ShopPlan(days=3, orders_a_day=30))
    assert digest(SMALL) != digest(ShopPlan(days=3, orders_a_day=30, seed=7))


def test_a_place_is_filled_once_and_then_left_alone(make: Make) -> None:
    count = fill_partners(make(), SMALL)
    filled = contents(make())
    assert filled == {**shipment_files(SMALL).objects, **price_lists(SMALL)}
    assert count == len(filled)
    make().put("shipments/2024/01/02/mine.csv", b"mine\n")
    assert fill_partners(make(), SMALL) == count + 1
    assert contents(make()) == {**filled, "shipments/2024/01/02/mine.csv": b"mine\n"}


def test_a_filling_that_was_killed_is_completed(make: Make) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill_partners(Killed(make()), SMALL)
    assert len(contents(make())) == 2
    fill_partners(make(), SMALL)
    assert contents(make()) == {**shipment_files(SMALL).objects, **price_lists(SMALL)}


def test_r6_a_place_with_other_objects_is_never_written_to(make: Make) -> None:
    make().put("invoices/2024.csv", b"theirs\n")
    with pytest.raises(ConfigError, match=r"holds objects that are not the demo's.*is empty"):
        fill_partners(make(), SMALL)
    assert (make().keys("demo/"), contents(make())) == ([], {})


def test_a_place_of_another_plan_is_refused(make: Make) -> None:
    fill_partners(make(), SMALL)
    with pytest.raises(ConfigError, match=r'another demo, of .*"orders_a_day": 30'):
        fill_partners(make(), CUT)


def test_the_first_file_that_is_dropped_is_the_whole_of_the_cut_one_and_others_are_late(
    make: Make,
) -> None:
    fill_partners(make(), CUT)
    files = shipment_files(CUT)
    assert files.cut is not None
    with pytest.raises(EOFError):
        gzip.decompress(make().read(files.cut))
    first, *others = [drop_file(make(), CUT) for _ in range(3)]
    assert (first.key, first.mends) == (files.cut, True)
    assert make().read(files.cut) == files.whole
    assert len({other.key for other in others}) == 2
    assert not any(other.mends for other in others)
    held = contents(make())
    parcels = [row["tracking_no"] for key in held if ".csv" in key for row in rows(held[key])]
    assert len(parcels) == len(set(parcels)), "no parcel is in two files"


def test_a_file_is_dropped_only_where_the_others_are_and_as_long_as_orders_wait(
    tmp_path: Path,
) -> None:
    store = WritableStore(ObjectStoreSettings(), tmp_path.as_uri())
    with pytest.raises(ConfigError, match="Run etl-assets demo"):
        drop_file(store, SMALL)
    fill_partners(store, SMALL)
    dropped = 0
    while late_file(SMALL, dropped + 1):
        assert drop_file(store, SMALL).size
        dropped += 1
    assert dropped
    with pytest.raises(ConfigError, match="has been shipped"):
        drop_file(store, SMALL)


def test_shipments_are_of_orders_and_few_lines_are_bad() -> None:
    plan = ShopPlan()
    files = shipment_files(plan)
    orders = sum(plan.order_counts)
    bad = {f"shipments/{one.day:%Y/%m/%d}/{one.carrier}" for one in bad_lines(plan)}
    wrong = 0
    for key, content in files.objects.items():
        for row in rows(files.whole if key == files.cut else content):
            good = row["order_no"].isdecimal() and 1 <= int(row["order_no"]) <= orders
            good &= row["freight_eur"].replace(",", "").isdecimal() and bool(row["picked_up_at"])
            assert good or key.startswith(tuple(bad)), (key, row)
            wrong += not good
    lines = b"".join(price_lists(plan).values()).splitlines()
    prices = [json.loads(line)["price"] for line in lines]
    wrong += sum(not price.replace(",", "").isdecimal() for price in prices)
    assert wrong == BAD_LINES


def test_a_bucket_that_may_not_be_written_to_is_said_with_its_name(s3: Any) -> None:
    settings = s3.settings("nobody-made-this-bucket")
    with pytest.raises(SourceError, match="nobody-made-this-bucket"):
        WritableStore(settings, settings.url).put("a", b"")
