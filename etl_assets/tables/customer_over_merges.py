"""Customers that may be several: too many records, different names, several numbers of the shop."""

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.identity import transforms
from etl_assets.core.policies import Thresholds
from etl_assets.core.spec import EnrichedSpec
from etl_assets.tables.customer_edges import INPUTS


class CustomerOverMerges(Contract):
    customer_key: pl.Int64 = column(description="The customer, before anything was cut.", ge=0)
    reason: pl.String = column(description="What is odd.")
    detail: pl.String = column(description="Which records, no personal values.")
    records: pl.Int64 = column(description="How many records it has.", ge=1)
    is_held_apart: pl.Boolean = column(description="Whether it was cut for it.")

    class Config:
        unique = ["customer_key", "reason"]


TABLE = EnrichedSpec(
    name="customer_over_merges",
    contract=CustomerOverMerges,
    inputs=INPUTS,
    enrich=transforms.over_merged,
    description="One row a reason to look at a customer.",
    partition_column=None,
    domain="crm",
    # That they become fewer is what people work for.
    thresholds=Thresholds(min_share_of_last=0.0),
)
