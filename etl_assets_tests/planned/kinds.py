"""Kinds of changes of code: each is the code before, the code after, and what a test expects of it.

`impacts` are those that the plan must tell of the changed tables, `refused` the tables that every
warehouse must refuse, `sql` what happens at the source meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

from etl_assets.core.checks import Severity
from etl_assets.core.policies import Deletes, Drift, Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets_tests.planned.world import (
    BESIDE_ORDERS,
    REQUIRED,
    Shop,
    changed,
    of_both,
    of_orders,
)
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

SHOP = Shop()
ID = {"id": REQUIRED}
BOTH = {"id": REQUIRED, "amount": REQUIRED}
CHANNEL = {"id": pl.Int64, "amount": pl.Int64, "channel": pl.String}


@dataclass(frozen=True)
class Kind:
    after: Shop
    before: Shop = SHOP
    impacts: Sequence[str] = ()
    refused: Sequence[str] = ()
    refused_on: Mapping[str, Sequence[str]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def channel_by_default(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.with_columns(pl.lit("web").alias("channel")).select(
        "id", "amount", "channel", "created_at", "updated_at"
    )


def doubled(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.with_columns(pl.col("amount") * 2).select("id", "amount", "created_at", "updated_at")


def _table(name: str) -> EnrichedSpec:
    return EnrichedSpec(
        name=name,
        contract=contract_of(
            {"id": pl.Int64, "created_at": UTC_MOMENT, "amount": pl.Int64},
            {"id": REQUIRED, "created_at": REQUIRED},
        ),
        inputs={"orders": Input("staged/orders")},
        enrich=of_orders,
        description="New.",
    )


MAY, BREAKS, VALUES, HARMLESS = "may refuse", "breaking", "may change values", "compatible"

KINDS: Mapping[str, Kind] = {
    "nothing": Kind(SHOP),
    "a nullable column of the source added": Kind(changed(SHOP, raw=CHANNEL), impacts=[HARMLESS]),
    "a required column of the source added": Kind(
        changed(SHOP, raw=CHANNEL, raw_options={**BOTH, "channel": REQUIRED}), impacts=[MAY]
    ),
    "a column added through both layers": Kind(
        changed(SHOP, raw=CHANNEL, staged=CHANNEL), impacts=[HARMLESS, HARMLESS, VALUES]
    ),
    "a column added to orders alone": Kind(
        changed(SHOP, raw=CHANNEL, staged=CHANNEL, without=BESIDE_ORDERS),
        before=changed(SHOP, without=BESIDE_ORDERS),
        impacts=[HARMLESS, HARMLESS, VALUES],
    ),
    "a column added with a default": Kind(
        changed(
            SHOP,
            staged=CHANNEL,
            staged_options={"id": REQUIRED, "channel": REQUIRED},
            stage=channel_by_default,
        ),
        impacts=[MAY, VALUES],
    ),
    "a column made required": Kind(
        changed(SHOP, staged_options={"id": REQUIRED, "amount": REQUIRED}), impacts=[MAY]
    ),
    "a column no longer required": Kind(
        changed(SHOP, raw_options=ID), impacts=[BREAKS], refused=["raw/orders"]
    ),
    "a column removed": Kind(
        changed(
            SHOP,
            staged={"id": pl.Int64},
            daily_dtypes={"id": pl.Int64},
            daily={"enrich": lambda orders: orders.select("id", "created_at")},
            without=["totals"],
        ),
        impacts=[BREAKS, VALUES, BREAKS, VALUES],
        refused=["staged/orders", "enriched/daily"],
    ),
    "a column renamed": Kind(
        changed(
            SHOP,
            raw={"id": pl.Int64, "total": pl.Int64},
            raw_options={"id": REQUIRED, "total": {"nullable": False, "source_name": "amount"}},
            stage=lambda raw: raw.rename({"total": "amount"}).select(
                "id", "amount", "created_at", "updated_at"
            ),
        ),
        impacts=[BREAKS, VALUES],
        refused=["raw/orders"],
    ),
    "a type widened": Kind(
        changed(
            SHOP,
            daily_dtypes={"id": pl.Int64, "amount": pl.Float64},
            daily={
                "enrich": lambda orders: of_orders(orders).with_columns(
                    pl.col("amount").cast(pl.Float64)
                )
            },
            without=["totals"],
        ),
        impacts=[BREAKS, VALUES],
        refused=["enriched/daily"],
    ),
    "a type narrowed": Kind(
        changed(
            SHOP,
            raw={"id": pl.Int64, "amount": pl.Int32},
            stage=lambda raw: raw.with_columns(pl.col("amount").cast(pl.Int64)).select(
                "id", "amount", "created_at", "updated_at"
            ),
        ),
        impacts=[BREAKS, VALUES],
        refused_on={"duckdb": ["raw/orders"], "postgres": ["raw/orders"]},
    ),
    "a rule added": Kind(
        changed(SHOP, raw_options={"id": REQUIRED, "amount": {"nullable": False, "ge": 20}}),
        impacts=[MAY],
    ),
    "a rule changed": Kind(
        changed(SHOP, raw_options={"id": REQUIRED, "amount": {"nullable": False, "ge": 20}}),
        before=changed(SHOP, raw_options={"id": REQUIRED, "amount": {"nullable": False, "ge": 10}}),
        impacts=[MAY],
    ),
    "a rule loosened": Kind(
        changed(SHOP, raw_options={"id": REQUIRED, "amount": {"nullable": False, "ge": 5}}),
        before=changed(SHOP, raw_options={"id": REQUIRED, "amount": {"nullable": False, "ge": 10}}),
        impacts=[HARMLESS],
    ),
    "a severity changed": Kind(
        changed(
            SHOP,
            orders={
                "thresholds": Thresholds(
                    max_bad_share=1.0, severities={"cursor_values": Severity.ERROR}
                )
            },
        ),
        impacts=[MAY, MAY],
    ),
    "the key changed": Kind(
        changed(SHOP, key=("id", "updated_at")),
        impacts=[BREAKS, BREAKS],
        refused_on={"postgres": ["raw/orders", "staged/orders"]},
    ),
    "the partition column changed": Kind(
        changed(SHOP, orders={"partition_column": "updated_at"}),
        impacts=[BREAKS, BREAKS],
        refused=["raw/orders", "staged/orders"],
    ),
    "the cursor changed": Kind(
        changed(
            SHOP,
            raw={"id": pl.Int64, "amount": pl.Int64, "changed_at": UTC_MOMENT},
            raw_options={**BOTH, "changed_at": REQUIRED},
            orders={"cursor_column": ("updated_at", "changed_at")},
        ),
        before=changed(
            SHOP,
            raw={"id": pl.Int64, "amount": pl.Int64, "changed_at": UTC_MOMENT},
            raw_options={**BOTH, "changed_at": REQUIRED},
        ),
        impacts=[HARMLESS],
    ),
    "a transform changed": Kind(changed(SHOP, stage=doubled), impacts=[VALUES]),
    "an input added": Kind(
        changed(
            SHOP,
            daily={
                "inputs": {
                    "orders": Input("staged/orders", sets_grain=True),
                    "countries": Input("staged/countries"),
                },
                "enrich": of_both,
            },
        ),
        impacts=[VALUES, VALUES],
    ),
    "a table added": Kind(changed(SHOP, more=[_table("again")])),
    "a table removed": Kind(changed(SHOP, without=["totals"])),
    "a tracked column of a dimension added": Kind(
        changed(SHOP, tracked=("city", "tier")), impacts=[HARMLESS, VALUES, VALUES]
    ),
    "a tracked column no longer tracked": Kind(
        changed(SHOP, tracked=("city",), untracked=("tier",)),
        before=changed(SHOP, tracked=("city", "tier")),
        impacts=[VALUES],
    ),
    "versions switched on": Kind(changed(SHOP, orders={"keep_versions": True}), impacts=[HARMLESS]),
    "deletions kept": Kind(changed(SHOP, orders={"deletes": Deletes.KEEP}), impacts=[VALUES]),
    "old days closed": Kind(
        changed(SHOP, orders={"deletes": Deletes.KEEP, "keep_before": timedelta(days=30)}),
        before=changed(SHOP, orders={"deletes": Deletes.KEEP}),
        impacts=[HARMLESS],
    ),
    "a source column ignored": Kind(changed(SHOP, orders={"ignore": ["mail"]}), impacts=[HARMLESS]),
    "drift frozen": Kind(changed(SHOP, orders={"drift": Drift.FREEZE}), impacts=[HARMLESS]),
    "another place read": Kind(
        changed(SHOP, orders={"source": PostgresTable("orders", connection="billing")}),
        impacts=[BREAKS],
    ),
    "a column marked as personal": Kind(
        changed(
            SHOP, raw_options={"id": REQUIRED, "amount": {"nullable": False, "personal": True}}
        ),
        impacts=[HARMLESS],
    ),
    "a column of a table without days added": Kind(
        changed(SHOP, countries={"id": pl.Int64, "name": pl.String, "iso": pl.String}),
        impacts=[HARMLESS, HARMLESS, VALUES],
    ),
    "days added": Kind(SHOP, settings={"first_day": date(2023, 12, 30)}),
}
