"""A table of an HTTP API for tests, and the road from the API to what is published."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl

from etl_assets.config import HttpSettings, Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column
from etl_assets.core.drift import DriftReport
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.http_specs import CursorPages, HttpApi
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.spec import TableSpec
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import Loaded, load
from etl_assets.sources.found import RejectedLines
from etl_assets.sources.reads import DayEvidence
from etl_assets_tests.http_api.server import Api

DAY, NEXT = date(2024, 5, 17), date(2024, 5, 18)


class Thing(Contract):
    id: pl.Int64 = column(description="Its number.")
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was.")
    amount: Annotated[pl.Decimal, 38, 2] = column(description="Of money.", nullable=True)
    name: pl.String = column(description="What it is called.", nullable=True)
    version: pl.Int64 = column(description="Counted up by each change.", nullable=True)

    class Config:
        unique = ("id",)


SOURCE = HttpApi("/things", items="items", pagination=CursorPages(), connection="shop")
SPEC = TableSpec(
    "things",
    SOURCE,
    Thing,
    Thing,
    lambda raw: raw,
    "Things.",
    partition_column="at",
    cursor_column=None,
    thresholds=Thresholds(max_bad_share=0.9, max_change=1000, min_share_of_last=0.0),
)


def thing(number: int, day: date = DAY, **more: Any) -> dict[str, Any]:
    """An item as the API gives it."""
    return {
        "id": number,
        "at": f"{day}T{number % 24:02d}:00:00Z",
        "amount": 1.5,
        "name": f"n{number}",
        "version": 1,
        **more,
    }


def row(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the item must become: `name` and `version` as they are, the moment in UTC."""
    at = datetime.fromisoformat(item["at"]).astimezone(UTC)
    return {"id": item["id"], "at": at, "name": item["name"], "version": item["version"]}


@dataclass
class Things:
    """A platform with the table."""

    platform: Platform
    home: Path
    evidence: DayEvidence | None = None
    drift: DriftReport | None = None
    counts: dict[date, int | None] = field(default_factory=dict)
    aside: dict[date, int] = field(default_factory=dict)

    @property
    def table(self) -> LayerTable:
        return self.platform.catalog["raw/things"]

    def load(self, *days: date) -> Loaded:
        """Load the days and publish those that may be."""
        run_id, platform, table = uuid.uuid4().hex, self.platform, self.table
        with platform.spool(run_id, "load") as spool:
            loaded = load(table, platform.source(table), platform.warehouse, days, spool, run_id)
            publish_days(platform.warehouse, table, loaded.good, run_id)
        return loaded

    def one(self, day: date = DAY) -> LoadedDay:
        """Load a day, which must be good."""
        (good,) = self.load(day).good
        return good

    def read(self, *days: date) -> list[dict[str, Any]]:
        """The rows of the days as they are read at one moment, without the amount, by id.

        `counts` has how many each has by the source, `aside` how many items are bad.
        Nothing is published, and nothing tried again by the pipeline: a load opens a source that
        breaks off four times in all.
        """
        found: list[dict[str, Any]] = []
        with self.platform.unseen_source(self.table).open() as snapshot:
            for day in days or (DAY,):
                read = snapshot.day(day)
                self.evidence = read.evidence()
                self.counts[day], self.aside[day] = self.evidence.row_count, 0
                for piece in read.batches():
                    if isinstance(piece, pl.DataFrame):
                        found += piece.select("id", "at", "name", "version").to_dicts()
                    elif isinstance(piece, RejectedLines):
                        self.aside[day] += len(piece.rules)
                self.drift = read.afterwards().drift
        return sorted(found, key=lambda one: (one["id"], one["version"] or 0))

    def published(self, day: date = DAY) -> list[dict[str, Any]]:
        """The rows of the day without the amount, by id."""
        rows = self._read(day).select("id", "at", "name", "version")
        return rows.sort("id", "version").to_dicts()

    def amounts(self, day: date = DAY) -> dict[int, Any]:
        return dict(self._read(day).select("id", "amount").iter_rows())

    def _read(self, day: date) -> pl.DataFrame:
        folder = self.home / "reads" / uuid.uuid4().hex
        read = self.platform.warehouse.read(self.table, [Window.of(day)], folder)
        return read.frames[0].collect()

    def quarantined(self, day: date = DAY) -> list[tuple[str, str, str]]:
        """Rule, position and payload of what was set aside."""
        rows = self.platform.warehouse.quarantined(self.table, days=[day])
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
        found = frame.select("rule", "source_position", "payload").rows()
        return sorted((str(a), str(b), str(c)) for a, b, c in found)

    def states(self) -> Sequence[Any]:
        return self.platform.warehouse.state(self.table)


@contextmanager
def open_things(
    api: Api | str,
    home: Path,
    *,
    source: HttpApi = SOURCE,
    patience: float = 20,
    idle: float = 5,
    resume: float = 900,
    connection: HttpConnection | None = None,
    **changes: Any,
) -> Iterator[Things]:
    """The platform on the API; `changes` are of the spec."""
    url = api if isinstance(api, str) else api.url
    reached = replace(connection or HttpConnection(), url=url)
    http = HttpSettings(apis={"shop": reached}, patience=patience, idle=idle, resume=resume)
    settings = Settings(home=home, first_day=DAY, last_day=date(2024, 6, 1), http=http)
    spec = replace(SPEC, source=source, **changes)
    platform = Platform(settings, given_catalog=Catalog.of([spec]))
    with closing(platform):
        yield Things(platform, home)
