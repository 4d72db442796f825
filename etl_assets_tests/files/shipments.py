"""A table of files for tests, the place where its objects are dropped, and what they should become.

What is published is held against Python's own `csv`, which none of our code reads with here.
"""

import csv
import gzip
import io
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.config import FilesSettings, ObjectStoreSettings, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column
from etl_assets.core.file_formats import Csv
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import Committed, publish_days
from etl_assets.pipeline.run_days import Loaded, load
from etl_assets_tests.s3_server import S3Server

DAY, NEXT, THIRD = date(2024, 5, 17), date(2024, 5, 18), date(2024, 5, 19)
SWEPT = FilesSettings(sweep=0)
HEADER = "shipment_id,weight_kg,carrier\n"


class RawShipments(Contract):
    """A line of a partner's file."""

    shipment_id: pl.Int64 = column(description="The partner's number.", ge=1)
    weight_kg: "pl.Decimal(8, 3)" = column(description="Weight.", unit="kg", nullable=True)
    carrier: pl.String = column(description="Who brings it.")
    delivered_on: pl.Date = column(description="The day of the file.")
    file: pl.String = column(description="The object that the line is in.")
    line: pl.Int64 = column(description="The line in it.")

    class Config:
        """The key."""

        unique = ("file", "line")


SOURCE = Files(
    "shipments/{day:%Y/%m/%d}/*.csv*",
    format=Csv(),
    day_column="delivered_on",
    file_column="file",
    line_column="line",
    settle=timedelta(0),
)
SPEC = TableSpec(
    "shipments",
    SOURCE,
    RawShipments,
    RawShipments,
    lambda raw: raw,
    "Shipments.",
    partition_column="delivered_on",
    cursor_column=None,
    thresholds=Thresholds(max_bad_share=0.9, max_change=1000),
)


def lines(*rows: tuple[object, ...], header: str = HEADER) -> bytes:
    """A CSV file with these rows."""
    return (header + "".join(",".join(map(str, row)) + "\n" for row in rows)).encode()


def key(day: date, name: str) -> str:
    return f"shipments/{day:%Y/%m/%d}/{name}"


@dataclass
class Place:
    """Where objects are dropped: a folder or a bucket. `put` and `delete` take whole keys."""

    settings: ObjectStoreSettings
    put: Callable[[str, bytes], None]
    delete: Callable[[str], None]
    held: dict[str, bytes] = field(default_factory=dict)

    def drop(self, name: str, content: bytes) -> None:
        self.put(name, content)
        self.held[name] = content

    def remove(self, name: str) -> None:
        self.delete(name)
        del self.held[name]


def in_folder(folder: Path) -> Place:
    folder.mkdir()

    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    settings = ObjectStoreSettings(url=f"file://{folder}")
    return Place(settings, put, lambda name: (folder / name).unlink())


def in_s3(server: S3Server) -> Place:
    bucket = server.bucket()
    return Place(
        server.settings(bucket, "drop"),
        lambda name, content: server.put(bucket, f"drop/{name}", content),
        lambda name: server.delete(bucket, f"drop/{name}"),
    )


@dataclass
class Shipments:
    """A platform with the table of files, and the place of its objects."""

    place: Place
    platform: Platform
    folder: Path

    @property
    def table(self) -> LayerTable:
        return self.platform.catalog["raw/shipments"]

    def load(self, *days: date) -> tuple[Loaded, Committed]:
        """Load the days and publish those that may be."""
        run_id = uuid.uuid4().hex
        table, platform = self.table, self.platform
        with platform.spool(run_id, "load") as spool:
            loaded = load(table, platform.source(table), platform.warehouse, days, spool, run_id)
            return loaded, publish_days(platform.warehouse, table, loaded.good, run_id)

    def late(self) -> list[date]:
        return [one.day for one in self.platform.look_at_files(self.table).late]

    def catch_up(self) -> None:
        """Load what is late, as the sensor asks for it."""
        late = self.late()
        if late:
            self.load(*late)
        assert self.late() == []

    def published(self, day: date) -> list[dict[str, Any]]:
        """The rows of the day, without the key's columns that `rows_of` makes otherwise."""
        read = self.platform.warehouse.read(
            self.table, [Window.of(day)], self.folder / "reads" / uuid.uuid4().hex
        )
        return read.frames[0].collect().sort("file", "line").to_dicts()

    def ledger(self) -> Mapping[str, LedgerEntry]:
        return {e.object_key: e for e in self.platform.warehouse.ledger(self.table)}


def rows_of(place: Place, day: date) -> list[dict[str, Any]]:
    """What the objects of a day hold, read by Python's own means; all of them must be good."""
    found = []
    for name in sorted(place.held):
        if not name.startswith(f"shipments/{day:%Y/%m/%d}/"):
            continue
        content = place.held[name]
        text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
        for number, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
            weight = row["weight_kg"]
            found.append(
                {
                    "shipment_id": int(row["shipment_id"]),
                    "weight_kg": Decimal(weight) if weight else None,
                    "carrier": row["carrier"],
                    "delivered_on": day,
                    "file": name,
                    "line": number,
                }
            )
    return sorted(found, key=lambda row: (row["file"], row["line"]))


@contextmanager
def open_shipments(
    place: Place,
    home: Path,
    files: FilesSettings = SWEPT,
    *,
    last_day: date | None = date(2024, 6, 1),
    spec: TableSpec = SPEC,
    **changes: Any,
) -> Iterator[Shipments]:
    """The platform on the place, which is swept at each tick; `changes` are of the spec."""
    settings = Settings(
        home=home, first_day=DAY, last_day=last_day, object_store=place.settings, files=files
    )
    spec = replace(spec, **changes)
    platform = Platform(settings, given_catalog=Catalog.of([spec]))
    with closing(platform):
        yield Shipments(place, platform, home)
