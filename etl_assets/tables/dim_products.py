"""Products as a dimension: what the catalogue said of an article at any time."""

from etl_assets.core.as_of import AsOf
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.tables.products import StagedProducts, stage

ARTICLE = AsOf(
    sk="product_sk",
    key={"product_id": "product_id"},
    at="order_created_at",
    columns={"category": "category", "price_amount": "list_price_amount"},
    facts="order_items",
)
"""A line's article, as of the moment when its order was placed."""

TABLE = DimensionSpec(
    name="dim_products",
    of="raw/products_versions",
    contract=StagedProducts,
    prepare=stage,
    history=Changes(moment="updated_at"),
    key=("product_id",),
    entity={"product_id": "id"},
    tracked=("category", "price_amount"),
    untracked=("sku", "name", "weight_kg", "tags", "attributes"),
    since_ever=True,
    unknown={"category": "unknown"},
    description="One row a version of an article.",
    domain="catalogue",
)
