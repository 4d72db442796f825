"""Supplier prices as a dimension: from when to when a price held, from the list of each day."""

from etl_assets.core.dimension import DimensionSpec, Snapshots
from etl_assets.tables.supplier_prices import StagedSupplierPrices

TABLE = DimensionSpec(
    name="dim_supplier_prices",
    of="staged/supplier_prices",
    contract=StagedSupplierPrices,
    history=Snapshots(day="list_date"),
    key=("supplier", "sku"),
    tracked=("price_amount", "currency", "is_in_stock"),
    description="One row a time in which a supplier's price held.",
    domain="purchasing",
)
