"""Customers: people and companies that may order. Much of what is here is personal data."""

from typing import Annotated

import polars as pl

from etl_assets.conform.rules.phones import E164, phone
from etl_assets.conform.rules.texts import EMAIL, SEGMENTS, email
from etl_assets.core.contracts import Contract, column
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec


class RawCustomers(Contract):
    id: pl.Int64 = column(description="The shop's customer number.", ge=1)
    email: pl.String = column(description="As typed.", nullable=True, personal=True)
    full_name: pl.String = column(description="As typed.", personal=True)
    country: pl.String = column(description="Country of the home address.")
    segment: pl.String = column(description="Kind of customer.", nullable=True)
    phone: pl.String = column(description="As typed.", nullable=True, personal=True)
    is_subscribed: pl.Boolean = column(description="Whether the newsletter goes out to them.")
    custom: pl.String = column(
        description="Custom fields, as the shop has them.",
        nullable=True,
        logical="json",
        fields=True,
    )
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="First seen.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]


class StagedCustomers(Contract):
    customer_id: pl.Int64 = column(description="The shop's customer number.", ge=1)
    email: pl.String = column(
        description="Trimmed, in lower case.",
        nullable=True,
        personal=True,
        max_null_ratio=0.2,
        str_matches=EMAIL,
    )
    full_name: pl.String = column(description="Trimmed.", personal=True)
    country: pl.String = column(
        description="ISO 3166-1 alpha-2 code of the home address.", str_matches=r"^[A-Z]{2}$"
    )
    segment: pl.String = column(
        description="Kind of customer.", nullable=True, max_null_ratio=0.4, isin=list(SEGMENTS)
    )
    phone: pl.String = column(
        description="In E.164; null where what was typed is no number of the country.",
        nullable=True,
        personal=True,
        str_matches=E164,
    )
    has_phone: pl.Boolean = column(description="Whether a phone number is known.")
    is_subscribed: pl.Boolean = column(description="Whether the newsletter goes out to them.")
    custom: pl.String = column(
        description="Custom fields, whole.", nullable=True, logical="json", fields=True
    )
    loyalty_tier: pl.String = column(
        description="Tier of the loyalty programme.",
        nullable=True,
        from_field=("custom", "loyalty_tier"),
    )
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="First seen.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["customer_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawCustomers in, StagedCustomers out, row by row."""
    return raw.select(
        pl.col("id").alias("customer_id"),
        email(pl.col("email")).alias("email"),
        pl.col("full_name").str.strip_chars(),
        "country",
        "segment",
        phone(pl.col("phone"), pl.col("country")).alias("phone"),
        pl.col("phone").is_not_null().alias("has_phone"),
        "is_subscribed",
        "custom",
        "created_at",
        "updated_at",
    )


TABLE = TableSpec(
    name="customers",
    source=PostgresTable("customers"),
    raw=RawCustomers,
    staged=StagedCustomers,
    stage=stage,
    keep_versions=True,
    description="One row a customer.",
    domain="crm",
    # The first day is the import of the old shop's customers.
    thresholds=Thresholds(max_change=20),
)
