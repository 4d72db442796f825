"""The columns that customers of every system have, once they are conformed."""

from typing import Annotated

import polars as pl

from etl_assets.conform.rules.phones import E164
from etl_assets.conform.rules.texts import EMAIL, SEGMENTS
from etl_assets.core.contracts import Contract, column

COUNTRY = r"^[A-Z]{2}$"


class ConformedCustomer(Contract):
    full_name: pl.String = column(
        description="Given name, then family name.", nullable=True, personal=True
    )
    email: pl.String = column(
        description="Trimmed, in lower case.", nullable=True, personal=True, str_matches=EMAIL
    )
    phone: pl.String = column(
        description="In E.164.", nullable=True, personal=True, str_matches=E164
    )
    country: pl.String = column(
        description="ISO 3166-1 alpha-2 code.", nullable=True, str_matches=COUNTRY
    )
    segment: pl.String = column(description="Kind of customer.", nullable=True, isin=list(SEGMENTS))
    is_subscribed: pl.Boolean = column(
        description="Whether the newsletter goes out to them.", nullable=True
    )
    shop_customer_id: pl.Int64 = column(
        description="The shop's customer number, where the system knows it.", nullable=True, ge=1
    )
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="First seen.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")
