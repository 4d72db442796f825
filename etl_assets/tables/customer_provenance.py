"""Provenance of golden customers: which record each of their cells is from, and why that one."""

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.identity import transforms
from etl_assets.core.spec import EnrichedSpec
from etl_assets.tables.customer_edges import INPUTS


class CustomerProvenance(Contract):
    customer_key: pl.Int64 = column(description="The customer.", ge=0)
    column_: pl.String = column(
        alias="column", description="The column of enriched/golden_customers."
    )
    source_system: pl.String = column(description="The system whose record has the value.")
    source_id: pl.String = column(description="The system's number of the record.")
    why: pl.String = column(
        description="Why it was chosen.", isin=["only value", "precedence", "newest"]
    )

    class Config:
        unique = ["customer_key", "column"]


TABLE = EnrichedSpec(
    name="customer_provenance",
    contract=CustomerProvenance,
    inputs=INPUTS,
    enrich=transforms.provenance,
    description="One row a cell of a golden customer.",
    partition_column=None,
    domain="crm",
)
