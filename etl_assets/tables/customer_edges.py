"""What speaks for two records being one customer: rule, evidence, weight, and what stands against.

How edges are made and followed is `core/identity/`.
"""

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.identity import transforms
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input

INPUTS = {
    "records": Input("enriched/customer_records"),
    "decisions": Input("staged/identity_decisions"),
}
"""What each table of identity is made of."""


class CustomerEdges(Contract):
    left_system: pl.String = column(description="The system of the older record.")
    left_id: pl.String = column(description="The system's number of it.")
    right_system: pl.String = column(description="The system of the other record.")
    right_id: pl.String = column(description="The system's number of it.")
    rule: pl.String = column(description="The rule that found it, or a decision of a person.")
    evidence: pl.String = column(
        description="What both have, personal values masked.", nullable=True
    )
    weight: pl.Float64 = column(description="How much it says, 1 is all.", ge=0, le=1)
    refused_because: pl.String = column(
        description="Why it joins nothing; null if it does.", nullable=True
    )

    class Config:
        unique = ["left_system", "left_id", "right_system", "right_id", "rule"]


TABLE = EnrichedSpec(
    name="customer_edges",
    contract=CustomerEdges,
    inputs=INPUTS,
    enrich=transforms.edges,
    description="One row a reason to take two records for one customer.",
    partition_column=None,
    domain="crm",
)
