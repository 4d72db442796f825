"""Countries that the shop delivers to: a lookup table without days and without a cursor."""

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec


class RawCountries(Contract):
    code: pl.String = column(description="ISO 3166-1 alpha-2 code.")
    name: pl.String = column(description="English short name.")

    class Config:
        unique = ["code"]


class StagedCountries(Contract):
    code: pl.String = column(description="ISO 3166-1 alpha-2 code.", str_matches=r"^[A-Z]{2}$")
    name: pl.String = column(
        description="English short name, trimmed.", str_length={"min_value": 1}
    )

    class Config:
        unique = ["code"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawCountries in, StagedCountries out, row by row."""
    return raw.select("code", pl.col("name").str.strip_chars())


TABLE = TableSpec(
    name="countries",
    source=PostgresTable("countries"),
    raw=RawCountries,
    staged=StagedCountries,
    stage=stage,
    description="One row a country.",
    # Nothing says when a row was made or changed, so the table is replaced as a whole.
    partition_column=None,
    cursor_column=None,
)
