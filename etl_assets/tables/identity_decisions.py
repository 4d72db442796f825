"""Decisions of people about customers: which two records are one, or are not. A log of files.

`etl-assets identity merge` and `unmerge` put a file each, which nobody changes afterwards, so that
a decision outlives every re-run and is there for an audit. What holds of them is decided in
`core/identity/decisions.py`.
"""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.file_formats import JsonLines
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec


class RawIdentityDecisions(Contract):
    left_system: pl.String = column(description="The system of one record.")
    left_id: pl.String = column(description="The system's number of it.")
    right_system: pl.String = column(description="The system of the other record.")
    right_id: pl.String = column(description="The system's number of it.")
    decision: pl.String = column(description="What was decided.", isin=["merge", "unmerge"])
    decided_by: pl.String = column(description="Who decided.")
    decided_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")
    reason: pl.String = column(description="Why, in words.", nullable=True)
    file: pl.String = column(description="The object that the decision is in.")
    line: pl.Int64 = column(description="The line in it.")

    class Config:
        unique = ["file", "line"]


class StagedIdentityDecisions(RawIdentityDecisions):
    pass


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawIdentityDecisions in, StagedIdentityDecisions out: as they are."""
    return raw.select(*DECISIONS_SCHEMA, "file", "line")


TABLE = TableSpec(
    name="identity_decisions",
    source=Files(
        "identity_decisions/*.jsonl", format=JsonLines(), file_column="file", line_column="line"
    ),
    raw=RawIdentityDecisions,
    staged=StagedIdentityDecisions,
    stage=stage,
    partition_column=None,
    cursor_column=None,
    description="One row a decision about two records of customers.",
    domain="crm",
    thresholds=Thresholds(max_bad_share=0.0),
)
