"""The golden record of each customer: for each column one value of one record, and why that one."""

from collections.abc import Mapping, Sequence

import polars as pl

from etl_assets.core.identity.schemas import PROVENANCE_SCHEMA

PRECEDENCE: Mapping[str, tuple[str, ...]] = {
    # An invoice has the name that its payer answers to.
    "full_name": ("billing", "crm", "shop"),
    # What customers sign in with they keep right themselves.
    "email": ("shop", "crm", "billing"),
    "phone": ("crm", "shop", "billing"),
    "country": ("billing", "shop", "crm"),
    "segment": ("crm", "shop", "billing"),
    # The last word about a newsletter counts, wherever it was said.
    "is_subscribed": (),
    "shop_customer_id": ("shop", "crm", "billing"),
}
"""The systems in the order in which a value of each column is taken from them."""


def golden(
    members: pl.DataFrame, precedence: Mapping[str, Sequence[str]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The golden records and where each cell is from (PROVENANCE_SCHEMA).

    `members` are records with their `customer_key`. A golden record has `customer_key`, the columns
    of `precedence`, `records`, the first `created_at` and the last `updated_at`, sorted by key.
    The value is from the system that comes first in the precedence; systems that are not listed
    come after it, all alike. Of several records the one that was updated last has it, and of these
    the first by system and id. NULL never wins over a value.
    """
    frame = (
        members.group_by("customer_key")
        .agg(pl.len().cast(pl.Int64).alias("records"), pl.min("created_at"), pl.max("updated_at"))
        .sort("customer_key")
    )
    provenance = [pl.DataFrame(schema=PROVENANCE_SCHEMA)]
    for column, systems in precedence.items():
        cells = _cells(members, column, systems)
        frame = frame.join(cells.select("customer_key", column), on="customer_key", how="left")
        provenance.append(
            cells.select(
                "customer_key",
                pl.lit(column).alias("column"),
                "source_system",
                "source_id",
                "why",
            )
        )
    order = ["customer_key", *precedence, "records", "created_at", "updated_at"]
    return frame.select(order), pl.concat(provenance).sort("customer_key", "column")


def _cells(members: pl.DataFrame, column: str, systems: Sequence[str]) -> pl.DataFrame:
    """For each customer with a value: the value, the record that it is from, and `why`."""
    place = {system: at for at, system in enumerate(systems)}
    only, of_place = pl.col("values") == 1, pl.col("of_place") == 1
    return (
        members.filter(pl.col(column).is_not_null())
        .select(
            "customer_key",
            column,
            "source_system",
            "source_id",
            "updated_at",
            place=pl.col("source_system").replace_strict(
                place, default=len(systems), return_dtype=pl.Int64
            ),
        )
        .with_columns(
            values=pl.len().over("customer_key"), of_place=pl.len().over("customer_key", "place")
        )
        .sort(
            "customer_key",
            "place",
            "updated_at",
            "source_system",
            "source_id",
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
        .unique("customer_key", keep="first", maintain_order=True)
        .with_columns(
            why=pl.when(only)
            .then(pl.lit("only value"))
            .when(of_place)
            .then(pl.lit("precedence"))
            .otherwise(pl.lit("newest"))
        )
    )
