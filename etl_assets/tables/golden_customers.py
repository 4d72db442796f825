"""Golden customers: for each customer one value a column, from the system that knows best."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.identity import transforms
from etl_assets.core.spec import EnrichedSpec
from etl_assets.tables.customer_edges import INPUTS


class GoldenCustomers(Contract):
    customer_key: pl.Int64 = column(description="The customer, as in enriched/customers.", ge=0)
    full_name: pl.String = column(description="The chosen name.", nullable=True, personal=True)
    email: pl.String = column(description="The chosen address.", nullable=True, personal=True)
    phone: pl.String = column(description="The chosen number.", nullable=True, personal=True)
    country: pl.String = column(description="The chosen country.", nullable=True)
    segment: pl.String = column(description="The chosen segment.", nullable=True)
    is_subscribed: pl.Boolean = column(
        description="The last word about the newsletter.", nullable=True
    )
    shop_customer_id: pl.Int64 = column(description="The shop's number.", nullable=True)
    records: pl.Int64 = column(description="How many records the customer has.", ge=1)
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Of the oldest record.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Of the newest record.")

    class Config:
        unique = ["customer_key"]


TABLE = EnrichedSpec(
    name="golden_customers",
    contract=GoldenCustomers,
    inputs=INPUTS,
    enrich=transforms.golden,
    description="One row a customer, with a chosen value in each column.",
    partition_column=None,
    domain="crm",
)
