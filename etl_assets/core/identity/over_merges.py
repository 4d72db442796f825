"""Clusters that may be more than one customer: what makes them so, and where it is found.

Holding their parts apart is `holding.py`.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, groupby
from operator import itemgetter

import polars as pl

from etl_assets.core.identity.names import Names, compare

Who = tuple[str | None, str | None]
"""The name (as `name_key` gives it) and the country of a record."""

Accepted = AbstractSet[tuple[int, frozenset[str]]]
"""Pairs of names that are one customer's in a cluster, which its anchor names."""

_MOST_PEOPLE = 100
"""Of a cluster with more names the oldest are compared: it is reported as too large anyway, and
all pairs of a cluster that ran away would take hours."""

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


def direct(
    records: pl.DataFrame, joined: pl.DataFrame, merged: Collection[tuple[int, int]]
) -> Accepted:
    """The pairs of different names that one edge joins: by a rule that takes them, or by a person.

    `records` are as in `find`; `joined` has the edges between their numbers, `left` and `right`,
    and `merged` the pairs of a cluster that a person merged.
    """
    by_hand = pl.DataFrame(list(merged), schema=joined.select("left", "right").schema, orient="row")
    joined = pl.concat([joined.select("left", "right"), by_hand])
    names = records.select("n", "name_key")
    pairs = (
        joined.join(records.select("n", "anchor", "name_key"), left_on="left", right_on="n")
        .join(names, left_on="right", right_on="n", suffix="_right")
        .filter(pl.col("name_key") != pl.col("name_key_right"))
    )
    rows = pairs.select("anchor", "name_key", "name_key_right").iter_rows()
    return {(anchor, frozenset((left, right))) for anchor, left, right in rows}


def find(
    records: pl.DataFrame, checks: Checks, accepted: Accepted, merged: Collection[int]
) -> pl.DataFrame:
    """Clusters to report, in FOUND_SCHEMA, sorted; a cluster has a row for each reason.

    `records` have `n`, `anchor`, `name_key`, `country`, `shop_customer_id`, `source_system` and
    `source_id`. `accepted` names do not count as different. `merged` has the number of a record for
    each merge of a person within a cluster: it accounts for one number of the shop more.
    """
    found = [
        _different_names(records, accepted),
        _too_large(records, checks),
        _shop_customers(records, checks, merged),
    ]
    return pl.concat(found).sort("anchor", "reason")


def _different_names(records: pl.DataFrame, accepted: Accepted) -> pl.DataFrame:
    distinct = (
        records.filter(pl.col("name_key").is_not_null())
        .filter(pl.col("name_key").n_unique().over("anchor") > 1)
        .sort("anchor", "n")
        .unique(["anchor", "name_key", "country"], keep="first", maintain_order=True)
        .select(
            "anchor",
            "name_key",
            "country",
            pl.concat_str("source_system", "source_id", separator="/"),
        )
    )
    rows = []
    for anchor, members in groupby(distinct.iter_rows(), key=itemgetter(0)):
        people = [((name, country), shown) for _, name, country, shown in members]
        for (one, this), (other, that) in combinations(people[:_MOST_PEOPLE], 2):
            if relation := conflict(anchor, one, other, accepted):
                rows.append((anchor, Reason.NAMES.value, f"{this} and {that}: {relation}"))
                break
    return pl.DataFrame(rows, schema=FOUND_SCHEMA, orient="row")


def _too_large(records: pl.DataFrame, checks: Checks) -> pl.DataFrame:
    large = records.group_by("anchor").len().filter(pl.col("len") > checks.most_records)
    return large.select(
        "anchor",
        reason=pl.lit(Reason.TOO_LARGE.value),
        detail=pl.format(f"{{}} records, more than {checks.most_records}", "len"),
    )


def _shop_customers(records: pl.DataFrame, checks: Checks, merged: Collection[int]) -> pl.DataFrame:
    by_hand = pl.DataFrame({"n": list(merged)}, schema={"n": pl.UInt32})
    allowed = by_hand.join(records, on="n").group_by("anchor").agg(more=pl.len())
    ids = pl.col("shop_customer_id").drop_nulls().unique().sort()
    shown = pl.col("ids").list.head(5).cast(pl.List(pl.String)).list.join(", ")
    return (
        records.group_by("anchor")
        .agg(ids=ids)
        .filter(pl.col("ids").list.len() > checks.most_shop_customers)
        .join(allowed, on="anchor", how="left")
        .filter(pl.col("ids").list.len() > checks.most_shop_customers + pl.col("more").fill_null(0))
        .select(
            "anchor",
            reason=pl.lit(Reason.SHOP_CUSTOMERS.value),
            detail=pl.format("shop customers {}", shown),
        )
    )


def conflict(cluster: int, one: Who, other: Who, accepted: Accepted) -> Names | None:
    """How two records of a cluster look like two people: other given names, or another family name
    in another country. None if they do not, or if their names are accepted."""
    relation = compare(one[0], other[0])
    if relation in (Names.AGREE, Names.UNKNOWN):
        return None
    if (cluster, frozenset((one[0], other[0]))) in accepted:
        return None
    moved = None not in (one[1], other[1]) and one[1] != other[1]
    return relation if relation is not Names.FAMILY_DIFFERS or moved else None
