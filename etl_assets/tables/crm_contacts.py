"""Contacts: customers as a CRM keeps them, from its HTTP API."""

from typing import Annotated

import polars as pl

from etl_assets.conform.rules.countries import country
from etl_assets.conform.rules.phones import first_phone
from etl_assets.conform.rules.texts import boolean, first_address, joined_name, segment
from etl_assets.conform.schema.crm import CrmContact
from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.http_specs import CursorPages, HttpApi
from etl_assets.core.spec import TableSpec
from etl_assets.tables.conformed import ConformedCustomer


class RawCrmContacts(Contract):
    id: pl.String = column(description="The CRM's number of the contact: C-000123.")
    name: pl.String = column(
        description="Given and family name.", logical="json", nullable=True, personal=True
    )
    emails: pl.String = column(
        description="All addresses, the best first.", logical="json", nullable=True, personal=True
    )
    phones: pl.String = column(
        description="All numbers, the best first.", logical="json", nullable=True, personal=True
    )
    country_name: pl.String = column(description="The country in words.", nullable=True)
    tier: pl.String = column(description="Kind of customer.", nullable=True)
    consents: pl.String = column(
        description="What the contact agreed to.", logical="json", nullable=True
    )
    external_ids: pl.String = column(
        description="Its numbers in other systems.", logical="json", nullable=True
    )
    created: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was entered.")
    modified: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]


class _ContactKey(Contract):
    contact_id: pl.String = column(
        description="The CRM's number of the contact.", str_matches=r"^C-[0-9]+$"
    )


class StagedCrmContacts(ConformedCustomer, _ContactKey):
    class Config:
        unique = ["contact_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawCrmContacts in, StagedCrmContacts out, row by row."""
    name, texts = pl.col("name"), pl.List(pl.String)
    home = country(pl.col("country_name"))
    shop = pl.col("external_ids").str.json_path_match("$.shop")
    return raw.select(
        pl.col("id").alias("contact_id"),
        joined_name(name.str.json_path_match("$.first"), name.str.json_path_match("$.last")).alias(
            "full_name"
        ),
        first_address(pl.col("emails").str.json_decode(texts)).alias("email"),
        first_phone(pl.col("phones").str.json_decode(texts), home).alias("phone"),
        home.alias("country"),
        segment(pl.col("tier")).alias("segment"),
        boolean(pl.col("consents").str.json_path_match("$.newsletter")).alias("is_subscribed"),
        shop.cast(pl.Int64).alias("shop_customer_id"),
        pl.col("created").alias("created_at"),
        pl.col("modified").alias("updated_at"),
    ).select(column_names(StagedCrmContacts))


TABLE = TableSpec(
    name="crm_contacts",
    source=HttpApi(
        "/contacts",
        items="contacts",
        item=CrmContact,
        pagination=CursorPages(param="after", next="paging.next"),
        total="paging.total",
        newest="modified",
        params={"limit": 200},
        connection="crm",
    ),
    raw=RawCrmContacts,
    staged=StagedCrmContacts,
    stage=stage,
    # A contact changes for years after it was entered, and the API tells of no changes: only the
    # whole list has them, and a day would keep what its contacts were.
    partition_column=None,
    cursor_column=None,
    description="One row a contact.",
    domain="crm",
)
