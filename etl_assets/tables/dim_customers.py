"""Customers as a dimension: who they were at any time, from the versions that were seen of them."""

from etl_assets.core.as_of import AsOf
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.tables.customers import StagedCustomers, stage

BUYER = AsOf(
    sk="customer_sk",
    key={"customer_id": "customer_id"},
    at="created_at",
    columns={"country": "customer_country", "segment": "customer_segment"},
    facts="orders",
)
"""An order's customer, as of the moment when it was placed."""

TABLE = DimensionSpec(
    name="dim_customers",
    of="raw/customers_versions",
    contract=StagedCustomers,
    prepare=stage,
    history=Changes(moment="updated_at"),
    key=("customer_id",),
    entity={"customer_id": "id"},
    tracked=("country", "segment", "is_subscribed"),
    # Of a name or an address that was corrected nobody wants the old one.
    untracked=("full_name", "email", "has_phone"),
    # The shop only keeps how customers are now: what they were before the first load nobody knows.
    since_ever=True,
    unknown={"segment": "unknown"},
    description="One row a version of a customer.",
    domain="crm",
)
