"""Clusters that may be more than one customer: what makes them so, and where it is found.

Holding their parts apart is `holding.py`.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import polars as pl

from etl_assets.core.identity.names import Names, compare

Who = tuple[str | None, str | None]
"""The name (as `name_key` gives it) and the country of a record."""

FOUND_SCHEMA = pl.Schema({"anchor": pl.UInt32(), "reason": pl.String(), "detail": pl.String()})


class Reason(StrEnum):
    """Why a cluster may be more than one customer."""

    NAMES = "names differ"
    TOO_LARGE = "too large"
    SHOP_CUSTOMERS = "several shop customers"


@dataclass(frozen=True)
class Checks:
    """When a cluster is reported, and which reasons hold its parts apart.

    By default only different names do. Several numbers of the shop are often one customer who
    signed up again, and where a large cluster is to be cut nothing in it says.
    """

    most_records: int = 20
    most_shop_customers: int = 1
    held_apart: AbstractSet[Reason] = frozenset({Reason.NAMES})


def find(
    records: pl.DataFrame, checks: Checks, merged: Collection[tuple[int, int]]
) -> pl.DataFrame:
    """Clusters to report, in FOUND_SCHEMA, sorted; a cluster has a row for each reason.

    `records` have `n`, `anchor`, `name_key`, `country`, `shop_customer_id`, `source_system` and
    `source_id`. `merged` are the pairs of numbers that a person merged: what these two records
    differ in is no reason to report them.
    """
    return pl.concat(
        [
            _different_names(records, merged),
            _too_large(records, checks),
            _shop(records, checks, merged),
        ]
    ).sort("anchor", "reason")


def _different_names(records: pl.DataFrame, merged: Collection[tuple[int, int]]) -> pl.DataFrame:
    named = records.filter(pl.col("name_key").is_not_null()).filter(
        pl.col("name_key").n_unique().over("anchor") > 1
    )
    shown = pl.concat_str("source_system", "source_id", separator="/")
    distinct = named.sort("n").unique(
        ["anchor", "name_key", "country"], keep="first", maintain_order=True
    )
    accepted = _accepted(records, merged)
    rows = []
    for (anchor,), members in distinct.sort("anchor", "n").group_by("anchor", maintain_order=True):
        people = members.select("name_key", "country", shown).rows()
        for (*one, this), (*other, that) in combinations(people, 2):
            if (anchor, frozenset((one[0], other[0]))) in accepted:
                continue
            if relation := conflict((one[0], one[1]), (other[0], other[1])):
                rows.append((anchor, Reason.NAMES.value, f"{this} and {that}: {relation}"))
                break
    return pl.DataFrame(rows, schema=FOUND_SCHEMA, orient="row")


def _accepted(
    records: pl.DataFrame, merged: Collection[tuple[int, int]]
) -> AbstractSet[tuple[int, frozenset[str | None]]]:
    """The pairs of names that a person said are one customer's, each with its cluster."""
    numbers = sorted({n for pair in merged for n in pair})
    rows = records.filter(pl.col("n").is_in(numbers)).select("n", "anchor", "name_key").rows()
    found = {n: (anchor, name) for n, anchor, name in rows}
    return {
        (found[left][0], frozenset((found[left][1], found[right][1]))) for left, right in merged
    }


def _too_large(records: pl.DataFrame, checks: Checks) -> pl.DataFrame:
    large = records.group_by("anchor").len().filter(pl.col("len") > checks.most_records)
    return large.select(
        "anchor",
        reason=pl.lit(Reason.TOO_LARGE.value),
        detail=pl.format(f"{{}} records, more than {checks.most_records}", "len"),
    )


def _shop(
    records: pl.DataFrame, checks: Checks, merged: Collection[tuple[int, int]]
) -> pl.DataFrame:
    """Each merge of a person in a cluster accounts for one number more."""
    by_hand = (
        pl.DataFrame({"n": [left for left, _ in merged]}, schema={"n": pl.UInt32})
        .join(records, on="n")
        .group_by("anchor")
        .agg(allowed=pl.len())
    )
    ids = records.group_by("anchor").agg(
        ids=pl.col("shop_customer_id").drop_nulls().unique().sort()
    )
    return (
        ids.join(by_hand, on="anchor", how="left")
        .filter(
            pl.col("ids").list.len() > checks.most_shop_customers + pl.col("allowed").fill_null(0)
        )
        .select(
            "anchor",
            reason=pl.lit(Reason.SHOP_CUSTOMERS.value),
            detail=pl.format(
                "shop customers {}",
                pl.col("ids").cast(pl.List(pl.String)).list.head(5).list.join(", "),
            ),
        )
    )


def conflict(one: Who, other: Who) -> Names | None:
    """Whether two records of one cluster look like two people: other given names, or another
    family name in another country."""
    relation = compare(one[0], other[0])
    moved = None not in (one[1], other[1]) and one[1] != other[1]
    if relation in (Names.GIVEN_DIFFERS, Names.DIFFER):
        return relation
    return relation if relation is Names.FAMILY_DIFFERS and moved else None
