"""Accounts: customers as an old billing system keeps them, in a database of its own."""

from typing import Annotated

import polars as pl

from etl_assets.conform.rules.countries import country
from etl_assets.conform.rules.phones import phone
from etl_assets.conform.rules.texts import address, boolean, segment_of_flag, turned_name
from etl_assets.conform.schema.billing import ZONE
from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.tables.conformed import ConformedCustomer


class RawBillingAccounts(Contract):
    acct_no: pl.Int64 = column(description="The billing system's account number.", ge=1)
    acct_name: pl.String = column(
        description="`Family, Given`, as typed.", nullable=True, personal=True
    )
    mail: pl.String = column(description="As typed.", nullable=True, personal=True)
    tel: pl.String = column(
        description="As typed, as it is dialled at home.", nullable=True, personal=True
    )
    ctry: pl.String = column(description="ISO 3166-1 alpha-3 code, as typed.", nullable=True)
    vip_flag: pl.String = column(description="Y or N, as typed.", nullable=True)
    newsletter: pl.String = column(description="Y or N, as typed.", nullable=True)
    shop_ref: pl.Int64 = column(description="The shop's customer number.", nullable=True)
    # An hour that the clocks have twice is the later one. So PostgreSQL reads it where it compares
    # the cursor, and a change is never taken for older than it is, so that no sync passes it over.
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When it was opened.", source_zone=ZONE, ambiguous="latest"
    )
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="Last change.", source_zone=ZONE, ambiguous="latest"
    )

    class Config:
        unique = ["acct_no"]


class _AccountKey(Contract):
    account_id: pl.Int64 = column(description="The billing system's account number.", ge=1)


class StagedBillingAccounts(ConformedCustomer, _AccountKey):
    class Config:
        unique = ["account_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawBillingAccounts in, StagedBillingAccounts out, row by row."""
    return raw.select(
        pl.col("acct_no").alias("account_id"),
        turned_name(pl.col("acct_name")).alias("full_name"),
        address(pl.col("mail")).alias("email"),
        country(pl.col("ctry")).alias("country"),
        phone(pl.col("tel"), country(pl.col("ctry"))).alias("phone"),
        segment_of_flag(pl.col("vip_flag")).alias("segment"),
        boolean(pl.col("newsletter")).alias("is_subscribed"),
        pl.col("shop_ref").alias("shop_customer_id"),
        "created_at",
        "updated_at",
    ).select(column_names(StagedBillingAccounts))


TABLE = TableSpec(
    name="billing_accounts",
    source=PostgresTable("accounts", connection="billing"),
    raw=RawBillingAccounts,
    staged=StagedBillingAccounts,
    stage=stage,
    description="One row an account.",
    domain="billing",
    # The first day brings the accounts of all customers of the old shop.
    thresholds=Thresholds(max_change=20),
)
