"""Supplier prices: what each supplier asks for each article, from the price list of each day."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.file_formats import JsonLines, Texts
from etl_assets.core.money import AMOUNT
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec


class RawSupplierPrices(Contract):
    sku: pl.String = column(description="The shop's stock keeping unit.")
    price: Annotated[pl.Decimal, 12, 2] = column(
        description="Price of one piece.", unit="units of currency", text=Texts(decimal=",")
    )
    currency: pl.String = column(description="ISO 4217 code.")
    in_stock: pl.Boolean = column(
        description="Whether it can be delivered at once.",
        text=Texts(true=("yes",), false=("no",)),
    )
    list_date: pl.Date = column(description="UTC day that the list is of.")
    file: pl.String = column(description="The object that the line is in.")
    line: pl.Int64 = column(description="The line in it.")

    class Config:
        unique = ["file", "line"]


class StagedSupplierPrices(Contract):
    list_date: pl.Date = column(description="UTC day that the price is valid on.")
    supplier: pl.String = column(
        description="Who asks it: the name of the file.", str_length={"min_value": 1}
    )
    sku: pl.String = column(description="The shop's stock keeping unit.")
    price_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Price of one piece.", unit="units of currency", gt=0
    )
    currency: pl.String = column(description="ISO 4217 code.", str_matches=r"^[A-Z]{3}$")
    is_in_stock: pl.Boolean = column(description="Whether it can be delivered at once.")

    class Config:
        unique = ["list_date", "supplier", "sku"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawSupplierPrices in, StagedSupplierPrices out, row by row."""
    return raw.select(
        "list_date",
        pl.col("file").str.extract(r"([^/.]+)\.jsonl").alias("supplier"),
        pl.col("sku").str.strip_chars(),
        pl.col("price").cast(AMOUNT).alias("price_amount"),
        "currency",
        pl.col("in_stock").alias("is_in_stock"),
    )


TABLE = TableSpec(
    name="supplier_prices",
    source=Files(
        "supplier_prices/{day:%Y-%m-%d}/*.jsonl*",
        format=JsonLines(),
        day_column="list_date",
        file_column="file",
        line_column="line",
    ),
    raw=RawSupplierPrices,
    staged=StagedSupplierPrices,
    stage=stage,
    partition_column="list_date",
    cursor_column=None,
    description="One row an article of a supplier's price list.",
    domain="purchasing",
)
