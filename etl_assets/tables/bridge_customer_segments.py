"""Which customers are in which segments, and from when to when: many to many."""

from typing import Annotated

import polars as pl

from etl_assets.conform.rules.texts import SEGMENTS
from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.tables.customers import stage as stage_customers

NEWSLETTER = "newsletter"


class CustomerSegments(Contract):
    customer_id: pl.Int64 = column(description="The shop's customer number.", ge=1)
    segment: pl.String = column(
        description="A kind of customer, or that the newsletter goes out to them.",
        isin=[*SEGMENTS, NEWSLETTER],
    )
    is_out: pl.Boolean = column(description="Whether the customer is not in it from then on.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When that was so.")

    class Config:
        unique = ["customer_id", "segment", "updated_at"]


def prepare(versions: pl.LazyFrame) -> pl.LazyFrame:
    """Versions of RawCustomers in, for each of them a CustomerSegments a segment out."""
    customers = stage_customers(versions)
    subscribed = pl.col("is_subscribed") & (pl.col("name") == NEWSLETTER)
    is_in = subscribed | (pl.col("segment").fill_null("") == pl.col("name"))
    return (
        customers.with_columns(pl.lit([*SEGMENTS, NEWSLETTER]).alias("name"))
        .explode("name")
        .with_columns((~is_in).alias("is_out"))
        .drop("segment")
        .rename({"name": "segment"})
        .select(column_names(CustomerSegments))
    )


TABLE = DimensionSpec(
    name="bridge_customer_segments",
    of="raw/customers_versions",
    contract=CustomerSegments,
    prepare=prepare,
    history=Changes(moment="updated_at", deleted="is_out"),
    key=("customer_id", "segment"),
    entity={"customer_id": "id"},
    tracked=(),
    since_ever=True,
    description="One row a time in which a customer was in a segment.",
    domain="crm",
)
