"""more: public.orders, proposed by `etl-assets add-table`.

It was a table with 11 columns and 37 rows, all read. What was guessed is said where it stands. It
is yours: correct what you know better; nothing writes it again.
"""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec


class RawMore(Contract):
    """A row of public.orders, as the source has it."""

    id: pl.Int64 = column(description="As the source has it.")
    customer_id: pl.Int64 = column(description="Of public.customers.id.")
    # pending, paid, shipped, delivered, cancelled or refunded, in any mixture of cases.
    status: pl.String = column(
        description="pending, paid, shipped, delivered, cancelled or refunded, in any mixture of…"
    )
    # From 949 to 235655 now. Is that a rule? Then write ge and le.
    total_cents: pl.Int64 = column(
        description="Sum of the items less discount_cents, in hundredths of the currency.",
        unit="cents",
    )
    currency: pl.String = column(description="ISO 4217 code.")
    channel: pl.String = column(description="As the source has it.")
    # From 597 to 3673 now. Is that a rule? Then write ge and le.
    discount_cents: pl.Int32 = column(
        description="Discount on the whole order; NULL for none.", nullable=True, unit="cents"
    )
    coupon_code: pl.String = column(description="As the source has it.", nullable=True)
    note: pl.String = column(description="What the customer typed, verbatim.", nullable=True)
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="As the source has it.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="As the source has it.")

    class Config:
        """The key."""

        unique = ("id",)


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Rows as they are: nothing of them wants cleaning."""
    return raw


# Key id: it is the primary key.
# Day none: it has about 37 rows, and is replaced as a whole more quickly than by days. When it
# grows, name 'created_at' here.
# Cursor updated_at: its name says that it is set on every change (nothing in the database shows who
# sets it). A change that does not set it is found by the next reconciliation.
TABLE = TableSpec(
    name="more",
    source=PostgresTable("orders"),
    raw=RawMore,
    staged=RawMore,
    stage=stage,
    description="One row an order; changed in place as it moves on.",
    partition_column=None,
    cursor_column="updated_at",
    domain="public",
)
