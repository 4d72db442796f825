"""A small star on a warehouse: things with a history, and sales that look them up."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl

from etl_assets.core.as_of import UNKNOWN, AsOf
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column, polars_schema
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.core.lateness import Late, late_days
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input, LayerTable
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.derive import DerivedSource, read_upstream
from etl_assets.pipeline.dimensions.build import DimensionRun, build_dimension
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, publish_staged, published_counts
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.days import staged
from etl_assets_tests.dimensions.oracle import Change, Version, moment, told

LENIENT = Thresholds(max_bad_share=1.0, min_share_of_last=0.0)


class Things(Contract):
    id: pl.Int64 = column(description="Which.", ge=1)
    a: pl.String = column(description="Tracked.", nullable=True, notin=["bad"])
    b: pl.Int64 = column(description="Not tracked.", nullable=True)
    gone: pl.Boolean = column(description="Whether it is gone.")
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")

    class Config:
        unique: ClassVar = ["id"]


class Prices(Contract):
    on: pl.Date = column(description="When.")
    sku: pl.String = column(description="Which.")
    price: pl.Int64 = column(description="How much.", nullable=True, ge=0)

    class Config:
        unique: ClassVar = ["on", "sku"]


class Sales(Contract):
    sale_id: pl.Int64 = column(description="Which.")
    who: pl.Int64 = column(description="Whose.", nullable=True)
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")

    class Config:
        unique: ClassVar = ["sale_id"]


class FactSales(Contract):
    sale_id: pl.Int64 = column(description="Which.")
    thing_sk: pl.Int64 = column(description="The version.")
    a: pl.String = column(description="As it was.", nullable=True)
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")

    class Config:
        unique: ClassVar = ["sale_id"]


LOOK = AsOf("thing_sk", {"id": "who"}, "at", {"a": "a"})


def enrich(sales: pl.LazyFrame, things: pl.LazyFrame) -> pl.LazyFrame:
    return LOOK.look_up(sales, things).select("sale_id", "thing_sk", "a", "at")


def as_it_is(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def dimension(name: str = "dim_things", of: str = "raw/things_versions") -> DimensionSpec:
    return DimensionSpec(
        name=name,
        of=of,
        contract=Things,
        history=Changes("at", deleted="gone"),
        key=("id",),
        tracked=("a",),
        untracked=("b",),
        sk="thing_sk",
        unknown={"a": "unknown"},
        description="Things.",
        thresholds=LENIENT,
    )


SPECS = [
    TableSpec(
        name="things",
        source=PostgresTable("things"),
        raw=Things,
        staged=Things,
        stage=as_it_is,
        partition_column="at",
        cursor_column="at",
        keep_versions=True,
        description="Things.",
        thresholds=LENIENT,
    ),
    TableSpec(
        name="sales",
        source=PostgresTable("sales"),
        raw=Sales,
        staged=Sales,
        stage=as_it_is,
        partition_column="at",
        cursor_column=None,
        description="Sales.",
        thresholds=LENIENT,
    ),
    dimension(),
    EnrichedSpec(
        name="fact_sales",
        contract=FactSales,
        inputs={
            "sales": Input("staged/sales", sets_grain=True),
            "things": Input("enriched/dim_things", as_of=LOOK),
        },
        enrich=enrich,
        description="Sales.",
        partition_column="at",
        thresholds=LENIENT,
    ),
]


@dataclass
class World:
    """The star on one warehouse; `folder` is the spool's."""

    warehouse: Warehouse
    folder: Path
    catalog: Catalog = field(default_factory=lambda: Catalog.of(SPECS))
    DIM: ClassVar = "enriched/dim_things"

    def arrive(self, changes: Iterable[Change]) -> None:
        """The source was read: a publication of `raw/things` adds these versions."""
        table = self.catalog["raw/things"]
        rows = [(c.id, c.a, c.b, c.gone, moment(c.at)) for c in changes]
        frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
        by_day = frame.with_columns(pl.col("at").cast(pl.Date).alias("day"))
        for (day,), part in by_day.partition_by("day", as_dict=True, include_key=False).items():
            one = staged(self.spool(), part, day, table=table, as_of=datetime.now(UTC))
            publish_staged(self.warehouse, table, [one], "run")

    def build(self, name: str = "enriched/dim_things") -> DimensionRun:
        """One run of the dimension."""
        return build_dimension(
            self.warehouse, self.catalog, self.catalog[name], self.spool(), uuid.uuid4().hex
        )

    def sell(self, day: date, sales: Sequence[tuple[int, int | None, datetime]]) -> None:
        """`staged/sales` of a day: number, whose, when."""
        table = self.catalog["staged/sales"]
        frame = pl.DataFrame(sales, schema=polars_schema(table.columns), orient="row")
        one = staged(self.spool(), frame, day, table=table, as_of=datetime.now(UTC))
        publish_staged(self.warehouse, table, [one], "run")

    def late(self) -> list[Late]:
        """The late days of the star's enriched tables; staged things are made by nobody here."""
        found = late_days(self.catalog, self.warehouse.state())
        return [one for one in found if one.table.startswith("enriched/")]

    def make(self, days: Iterable[date]) -> None:
        """Make these days of `enriched/fact_sales`."""
        table, wanted = self.catalog["enriched/fact_sales"], sorted(days)
        upstream = {
            name: read_upstream(
                self.warehouse, above, table.inputs[name], wanted, self.spool(), reader=table
            )
            for name, above in self.catalog.inputs_of(table).items()
        }
        published = published_counts(self.warehouse, table)
        source = DerivedSource(table, upstream)
        loaded = list(load_days(table, source, wanted, published, self.spool(), "run"))
        good = [day for day in loaded if isinstance(day, LoadedDay) and day.is_good]
        assert len(good) == len(wanted)
        publish_days(self.warehouse, table, good, "run")

    def make_late(self) -> list[date]:
        """Make the late days of the facts; which they were."""
        days = [one.day for one in self.late() if one.table == "enriched/fact_sales"]
        if days:
            self.make(days)
        return days

    def rows(self, path: str) -> pl.DataFrame:
        """All that is published of a table."""
        table = self.catalog[path]
        days = [state.partition_key for state in self.warehouse.state(table)]
        if not days:
            return pl.DataFrame(schema=polars_schema(table.columns))
        windows = [Window(min(days), max(days))]
        return self.warehouse.read(table, windows, self.spool()).frames[0].collect()

    def versions(self, path: str = "enriched/dim_things") -> list[Version]:
        """The versions that are published, without the unknown member."""
        return told(self.rows(path).filter(pl.col("thing_sk") != UNKNOWN))

    def facts_are_right(self) -> bool:
        """Whether each published fact points to the version that a search by hand finds."""
        known = self.rows("enriched/dim_things").to_dicts()
        sold = {row["sale_id"]: row for row in self.rows("staged/sales").to_dicts()}
        for fact in self.rows("enriched/fact_sales").to_dicts():
            sale = sold[fact["sale_id"]]
            right = [
                (row["thing_sk"], row["a"])
                for row in known
                if row["id"] is not None
                and row["id"] == sale["who"]
                and row["valid_from"] <= sale["at"]
                and (row["valid_to"] is None or sale["at"] < row["valid_to"])
            ] or [(UNKNOWN, "unknown")]
            if [(fact["thing_sk"], fact["a"])] != right:
                return False
        return True

    def spool(self) -> Path:
        """A folder of its own."""
        return self.folder / uuid.uuid4().hex

    def whole(self, table: LayerTable) -> int:
        """How many rows the state says that it has."""
        (state,) = self.warehouse.state(table)
        assert state.partition_key == WHOLE
        return state.row_count
