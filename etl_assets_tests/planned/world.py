"""A small source, the tables that are made of it, and the loads of all of them, without Dagster.

`Shop` is the code at hand as data: a test changes one thing of it and looks what `plan` foresees
and what loads then do.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.core.errors import EtlError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.placing import Spec
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input, LayerTable
from etl_assets.pipeline.days import FailedDay, LoadedDay
from etl_assets.pipeline.derive import DerivedSource, read_upstream
from etl_assets.pipeline.dimensions.build import build_dimension
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.pipeline.run_days import load, reload
from etl_assets_tests.contract.backends import settings_of
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of, run

FIRST = date(2024, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
MOMENTS = {"created_at": UTC_MOMENT, "updated_at": UTC_MOMENT}
REQUIRED = {"nullable": False}
SOURCE = (
    "CREATE TABLE orders (id int PRIMARY KEY, created_at timestamptz NOT NULL, updated_at "
    "timestamptz NOT NULL, changed_at timestamptz NOT NULL, amount int NOT NULL, channel text, "
    "mail text)",
    "INSERT INTO orders SELECT n, timestamptz '2024-01-01Z' + (n % 3) * interval '1 day', "
    "'2024-01-04Z', '2024-01-04Z', n * 10, 'web', 'a@b' FROM generate_series(1, 9) n",
    "CREATE TABLE countries (id int PRIMARY KEY, name text NOT NULL, iso text NOT NULL)",
    "INSERT INTO countries VALUES (1, 'France', 'FR'), (2, 'Spain', 'ES')",
    "CREATE TABLE customers (id int PRIMARY KEY, created_at timestamptz NOT NULL, updated_at "
    "timestamptz NOT NULL, city text NOT NULL, tier text NOT NULL)",
    "INSERT INTO customers SELECT n, '2024-01-01Z', timestamptz '2024-01-01Z' + (n % 3) * "
    "interval '1 day', 'Rome', 'gold' FROM generate_series(1, 4) n",
)


def keep(*columns: str) -> Any:
    """A `stage` that takes these columns as they are."""

    def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select(columns)

    return stage


def of_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.select("id", "created_at", "amount")


def of_both(orders: pl.LazyFrame, countries: pl.LazyFrame) -> pl.LazyFrame:
    return orders.join(countries, on="id", how="left").select("id", "created_at", "amount")


def totals(daily: pl.LazyFrame) -> pl.LazyFrame:
    return daily.group_by(pl.lit(1).alias("id")).agg(pl.col("amount").sum().cast(pl.Int64))


BESIDE_ORDERS = ("countries", "customers", "dim_customers")
"""What is not made of orders: on the emulator of BigQuery each table costs seconds."""

Dtypes = Mapping[str, Any]
Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Shop:
    """The code at hand. `raw` and `staged` are the columns of orders, beside their moments."""

    raw: Dtypes = field(default_factory=lambda: {"id": pl.Int64, "amount": pl.Int64})
    raw_options: Options = field(default_factory=lambda: {"id": REQUIRED, "amount": REQUIRED})
    staged: Dtypes = field(default_factory=lambda: {"id": pl.Int64, "amount": pl.Int64})
    staged_options: Options = field(default_factory=lambda: {"id": REQUIRED})
    key: Sequence[str] = ("id",)
    stage: Any = None
    orders: Mapping[str, Any] = field(default_factory=dict)
    countries: Dtypes = field(default_factory=lambda: {"id": pl.Int64, "name": pl.String})
    tracked: Sequence[str] = ("city",)
    untracked: Sequence[str] = ()
    customers: Dtypes = field(
        default_factory=lambda: {"id": pl.Int64, "city": pl.String, "tier": pl.String}
    )
    daily: Mapping[str, Any] = field(default_factory=dict)
    daily_dtypes: Dtypes = field(default_factory=lambda: {"id": pl.Int64, "amount": pl.Int64})
    daily_options: Options = field(default_factory=lambda: {"id": REQUIRED})
    without: Sequence[str] = ()
    more: Sequence[Spec] = ()

    def specs(self) -> list[Spec]:
        """All tables."""
        moments = dict.fromkeys(MOMENTS, REQUIRED)
        staged = {**self.staged, **MOMENTS}
        orders = TableSpec(
            **{
                "name": "orders",
                "source": PostgresTable("orders"),
                "raw": contract_of(
                    {**self.raw, **MOMENTS}, {**moments, **self.raw_options}, self.key
                ),
                "staged": contract_of(staged, {**moments, **self.staged_options}, self.key),
                "stage": self.stage or keep(*staged),
                "description": "Orders.",
                "thresholds": Thresholds(max_bad_share=1.0),
                **self.orders,
            }
        )
        countries = contract_of(self.countries, {"id": REQUIRED})
        customers = contract_of(
            {**self.customers, **MOMENTS},
            dict.fromkeys((*self.customers, *MOMENTS), REQUIRED),
        )
        daily: dict[str, Any] = {
            "name": "daily",
            "contract": contract_of(
                {**self.daily_dtypes, "created_at": UTC_MOMENT},
                {"created_at": REQUIRED, **self.daily_options},
            ),
            "inputs": {"orders": Input("staged/orders", sets_grain=True)},
            "enrich": of_orders,
            "description": "Orders again.",
            **self.daily,
        }
        found: list[Spec] = [
            orders,
            TableSpec(
                name="countries",
                source=PostgresTable("countries"),
                raw=countries,
                staged=countries,
                stage=keep(*self.countries),
                description="Countries.",
                partition_column=None,
                cursor_column=None,
            ),
            TableSpec(
                name="customers",
                source=PostgresTable("customers"),
                raw=customers,
                staged=customers,
                stage=keep(*self.customers, *MOMENTS),
                description="Customers.",
                keep_versions=True,
            ),
            DimensionSpec(
                name="dim_customers",
                of="raw/customers_versions",
                contract=contract_of(
                    {name: self.customers[name] for name in ("id", *self.tracked, *self.untracked)}
                    | {"updated_at": UTC_MOMENT},
                    dict.fromkeys(("id", *self.tracked, "updated_at"), REQUIRED),
                ),
                history=Changes(moment="updated_at"),
                prepare=_of_customers("id", *self.tracked, *self.untracked, "updated_at"),
                tracked=self.tracked,
                untracked=self.untracked,
                description="Customers in time.",
            ),
            EnrichedSpec(**daily),
            EnrichedSpec(
                name="totals",
                contract=contract_of({"id": pl.Int32, "amount": pl.Int64}, {"id": REQUIRED}),
                inputs={"daily": Input("enriched/daily")},
                enrich=totals,
                description="All of it.",
                partition_column=None,
            ),
        ]
        return [one for one in found if one.name not in self.without] + list(self.more)


def _of_customers(*columns: str) -> Any:
    def prepare(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select(columns)

    return prepare


@dataclass
class World:
    """A source database and a warehouse, with the code that works on them."""

    url: str
    folder: Path
    platform: Platform
    without: Sequence[str] = ()
    opened: "list[World]" = field(default_factory=list)

    @classmethod
    def of(
        cls, url: str, folder: Path, shop: Shop, without: Sequence[str] = (), **settings: Any
    ) -> "World":
        """The world with this code, but for the tables in `without`, which no code of it has.

        Connections are the caller's to close (`close`).
        """
        made = settings_of(folder).changed(
            **{
                "database_url": url,
                "databases": {"billing": url},
                "first_day": FIRST,
                "last_day": DAYS[-1],
                **settings,
            }
        )
        catalog = Catalog.of(replace(shop, without=[*shop.without, *without]).specs())
        assert not catalog.errors, catalog.errors
        return cls(url, folder, Platform(made, given_catalog=catalog), without)

    def with_code(self, shop: Shop, **settings: Any) -> "World":
        """The same world, with other code."""
        self.platform.close()
        other = World.of(self.url, self.folder, shop, self.without, **settings)
        self.opened.append(other)
        other.opened = self.opened
        return other

    @property
    def settings(self) -> Settings:
        return self.platform.settings

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        return run(self.url, *statements)

    def load_all(self) -> dict[str, str]:
        """Sync, load and derive all that would be done now; errors by table."""
        errors: dict[str, str] = {}
        for path, table in self.platform.catalog.items():
            if table.source is not None:
                try:
                    self._bring(table)
                except EtlError as error:
                    errors[path] = str(error)
        errors |= self.derive()
        return errors

    def derive(self) -> dict[str, str]:
        """Make what is late, until nothing is or nothing can be."""
        errors: dict[str, str] = {}
        while late := [one for one in self.platform.late() if one.table not in errors]:
            table = self.platform.catalog[late[0].table]
            days = sorted(one.day for one in late if one.table == table.path)
            try:
                self.make(table, days)
            except EtlError as error:
                errors[table.path] = str(error)
        return errors

    def make(self, table: LayerTable, days: Sequence[date]) -> None:
        """Make days of a derived table and publish the good ones."""
        warehouse, folder = self.platform.warehouse, self._folder()
        if table.dimension is not None:
            build_dimension(warehouse, self.platform.catalog, table, folder, "run")
            return
        inputs = {}
        for name, given in table.inputs.items():
            above = self.platform.catalog.published(given.asset)
            wanted = list(days) if above.has_days and table.has_days else [WHOLE]
            inputs[name] = read_upstream(
                warehouse, above, given, wanted, folder / "in" / name, reader=table
            )
        source = DerivedSource(table, inputs)
        known = published_counts(warehouse, table)
        made = list(load_days(table, source, days, known, folder / "made", "run"))
        good = [one for one in made if isinstance(one, LoadedDay) and one.is_good]
        publish_days(warehouse, table, good, "run")
        if len(good) < len(made):
            told = "; ".join(str(one.error) for one in made if isinstance(one, FailedDay))
            raise EtlError(f"{table.path}: {len(made) - len(good)} days failed: {told}", "")

    def load(self, table: LayerTable, days: Sequence[date]) -> None:
        """Load days of a raw table, as a backfill does."""
        source = self.platform.source(table)
        done = load(table, source, self.platform.warehouse, days, self._folder(), "run")
        publish_days(self.platform.warehouse, table, done.good, "run")

    def _bring(self, table: LayerTable) -> None:
        if table.syncs:
            for _chunk in self.platform.sync(table, self._folder(), "run").run():
                pass
            source = self.platform.source(table)
            reload(table, source, self.platform.warehouse, self._folder(), "run")
            return
        state = self.platform.warehouse.table_state(table)
        parts = DAYS if table.has_days else [WHOLE]
        if state is None:
            self.load(table, parts)
        else:  # as its reconciliation does with parts that must be loaded whole
            from etl_assets.pipeline.gained import bring_columns

            bring_columns(self.platform.warehouse, table, "run")
            source = self.platform.source(table)
            reload(table, source, self.platform.warehouse, self._folder(), "run")

    def loads(self) -> dict[tuple[str, date], str]:
        """The load of each published part."""
        states = self.platform.warehouse.state()
        return {(s.table_name, s.partition_key): s.load_id for s in states}

    def close(self) -> None:
        with suppress(EtlError):
            self.platform.close()

    def _folder(self) -> Path:
        folder = self.folder / "spool" / uuid4().hex
        folder.mkdir(parents=True)
        return folder


def changed(shop: Shop, **changes: Any) -> Shop:
    """The shop with other code."""
    return replace(shop, **changes)
