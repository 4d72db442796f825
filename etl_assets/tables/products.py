"""Products: the catalogue, one row an article."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.money import amount
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec


class RawProducts(Contract):
    id: pl.Int64 = column(description="The shop's number of the article.", ge=1)
    sku: pl.String = column(description="Stock keeping unit.")
    name: pl.String = column(description="As the catalogue prints it.")
    category: pl.String = column(description="Where it stands in the catalogue.")
    price_cents: pl.Int32 = column(description="List price.", unit="cents", ge=0)
    weight_kg: Annotated[pl.Decimal, 10, 3] = column(
        description="With packaging.", unit="kg", nullable=True
    )
    tags: pl.List(pl.String) = column(description="Free words to find it by.")  # type: ignore[valid-type]
    attributes: pl.String = column(
        description="What only some categories have.", nullable=True, logical="json"
    )
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="First listed.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]


class StagedProducts(Contract):
    product_id: pl.Int64 = column(description="The shop's number of the article.", ge=1)
    sku: pl.String = column(description="Stock keeping unit.")
    name: pl.String = column(description="Trimmed.")
    category: pl.String = column(description="In lower case.")
    price_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="List price.", unit="units of currency", ge=0
    )
    weight_kg: Annotated[pl.Decimal, 10, 3] = column(
        description="With packaging.", unit="kg", nullable=True, ge=0
    )
    tags: pl.List(pl.String) = column(description="Free words to find it by, sorted.")  # type: ignore[valid-type]
    attributes: pl.String = column(
        description="What only some categories have.", nullable=True, logical="json"
    )
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="First listed.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["product_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawProducts in, StagedProducts out, row by row."""
    return raw.select(
        pl.col("id").alias("product_id"),
        "sku",
        pl.col("name").str.strip_chars(),
        pl.col("category").str.to_lowercase(),
        amount(pl.col("price_cents")).alias("price_amount"),
        "weight_kg",
        pl.col("tags").list.sort(),
        "attributes",
        "created_at",
        "updated_at",
    )


TABLE = TableSpec(
    name="products",
    source=PostgresTable("products"),
    raw=RawProducts,
    staged=StagedProducts,
    stage=stage,
    keep_versions=True,
    description="One row an article.",
    domain="catalogue",
    # Listings come in waves: the first day is the whole catalogue, others bring two or three.
    thresholds=Thresholds(max_change=200),
)
