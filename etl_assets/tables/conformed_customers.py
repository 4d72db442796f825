"""Customers, conformed: each record of each system with the one key of its customer."""

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.identity import transforms
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.tables.customer_edges import INPUTS


class Customers(Contract):
    source_system: pl.String = column(description="The system that has the record.")
    source_id: pl.String = column(description="The system's own number of it.")
    customer_key: pl.Int64 = column(
        description="The customer: a digest of the customer's oldest record.", ge=0
    )
    anchor_system: pl.String = column(description="The system of that oldest record.")
    anchor_id: pl.String = column(description="Its number there.")
    records: pl.Int64 = column(description="How many records the customer has.", ge=1)

    class Config:
        unique = ["source_system", "source_id"]


TABLE = EnrichedSpec(
    name="customers",
    contract=Customers,
    inputs={**INPUTS, "records": Input("enriched/customer_records", sets_grain=True)},
    enrich=transforms.clusters,
    description="One row a record of a customer in a system.",
    partition_column=None,
    domain="crm",
)
