"""Customer records: what each system says of each of its customers, in one form.

Which records are of one person is not decided here.
"""

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.tables.conformed import ConformedCustomer

SYSTEMS = ["shop", "crm", "billing"]


class _RecordKey(Contract):
    source_system: pl.String = column(description="The system that says so.", isin=SYSTEMS)
    source_id: pl.String = column(
        description="The system's own number of the customer.", str_length={"min_value": 1}
    )


class CustomerRecords(ConformedCustomer, _RecordKey):
    class Config:
        unique = ["source_system", "source_id"]


def enrich(customers: pl.LazyFrame, contacts: pl.LazyFrame, accounts: pl.LazyFrame) -> pl.LazyFrame:
    """StagedCustomers, StagedCrmContacts and StagedBillingAccounts in, one row for each out."""
    shop = customers.with_columns(pl.col("customer_id").alias("shop_customer_id"))
    return pl.concat(
        [
            _records("shop", shop, "customer_id"),
            _records("crm", contacts, "contact_id"),
            _records("billing", accounts, "account_id"),
        ]
    )


def _records(system: str, conformed: pl.LazyFrame, key: str) -> pl.LazyFrame:
    return conformed.with_columns(
        pl.lit(system).alias("source_system"), pl.col(key).cast(pl.String).alias("source_id")
    ).select(column_names(CustomerRecords))


TABLE = EnrichedSpec(
    name="customer_records",
    contract=CustomerRecords,
    inputs={
        "customers": Input("staged/customers"),
        "contacts": Input("staged/crm_contacts"),
        "accounts": Input("staged/billing_accounts"),
    },
    enrich=enrich,
    # A person's records come from any day, and are compared with all others.
    partition_column=None,
    description="One row a customer of a system.",
    domain="crm",
)
