"""Invoices of the billing system, which has a database of its own."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.money import AMOUNT
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec


class RawInvoices(Contract):
    id: pl.Int64 = column(description="The billing system's invoice number.", ge=1)
    order_id: pl.Int64 = column(description="The shop's number of the order.", ge=1)
    amount: Annotated[pl.Decimal, 12, 2] = column(
        description="What is to be paid.", unit="units of currency"
    )
    currency: pl.String = column(description="ISO 4217 code.")
    issued_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was issued.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]


class StagedInvoices(Contract):
    invoice_id: pl.Int64 = column(description="The billing system's invoice number.", ge=1)
    order_id: pl.Int64 = column(description="The shop's number of the order.", ge=1)
    amount: Annotated[pl.Decimal, 18, 2] = column(
        description="What is to be paid.", unit="units of currency", ge=0
    )
    currency: pl.String = column(description="ISO 4217 code.", str_matches=r"^[A-Z]{3}$")
    issued_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was issued.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["invoice_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawInvoices in, StagedInvoices out, row by row."""
    return raw.select(
        pl.col("id").alias("invoice_id"),
        "order_id",
        pl.col("amount").cast(AMOUNT),
        "currency",
        "issued_at",
        "updated_at",
    )


TABLE = TableSpec(
    name="invoices",
    source=PostgresTable("invoices", connection="billing"),
    raw=RawInvoices,
    staged=StagedInvoices,
    stage=stage,
    partition_column="issued_at",
    description="One row an invoice.",
    domain="billing",
)
