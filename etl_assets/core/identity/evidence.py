"""Candidate edges of rules: who has equal values, and whether anything speaks against it.

Nobody is compared with everybody. The records that share a value form a group, and each is linked
to the anchor of its group, so that edges grow with records. Those whose names speak against the
anchor form a group among themselves, and so on: in a family with one address each member has a
star of its own.
"""

from collections.abc import Sequence

import polars as pl

from etl_assets.core.identity.masking import masked
from etl_assets.core.identity.names import Names, compare
from etl_assets.core.identity.rules import SHARED_WEIGHT, Rule

CANDIDATES_SCHEMA = pl.Schema(
    {
        "left": pl.UInt32(),
        "right": pl.UInt32(),
        "rule": pl.String(),
        "evidence": pl.String(),
        "weight": pl.Float64(),
        "refused_because": pl.String(),
    }
)
"""Edges between numbers of records, the older one on the left."""

_BETWEEN = "\x1f"
_GROUPS = ("group", "evidence", "weight", "n", "name_key")


def candidates(records: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """The edges of all rules, in CANDIDATES_SCHEMA.

    `records` are numbered by age in `n` (UInt32) and have a `name_key` next to the rules' columns.
    At most two edges a record and rule come out: one that holds, and one that names refused.
    """
    edges = [_edges(rule, _groups(records, rule)) for rule in rules]
    return pl.concat([pl.DataFrame(schema=CANDIDATES_SCHEMA), *edges])


def shared_by(records: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Each record that has the rule's values: `n`, `value`, `name_key`, how many share the value
    (`sharing`), and whether it `is_evidence` alone."""
    value = pl.concat_str(pl.col(rule.columns).cast(pl.String), separator=_BETWEEN)
    ignored = pl.col("value").str.contains(rule.ignores) if rule.ignores else pl.lit(value=False)
    return (
        records.select("n", "name_key", value=value)
        .filter(pl.col("value").is_not_null())
        .with_columns(sharing=pl.len().over("value"))
        .with_columns(is_evidence=(pl.col("sharing") <= rule.most_records) & ~ignored)
    )


def _groups(records: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """The members of groups of two and more, with the evidence that their edges will have."""
    shared = shared_by(records, rule).filter(pl.col("sharing") > 1)
    shown = pl.col("value").str.replace_all(_BETWEEN, ", ", literal=True)
    shown = pl.format(
        "{} {}", pl.lit(" and ".join(rule.columns)), masked(shown) if rule.is_personal else shown
    )
    alone = shared.filter("is_evidence").select(
        "n", "name_key", group="value", evidence=shown, weight=pl.lit(rule.weight)
    )
    with_name = (
        shared.filter(~pl.col("is_evidence"), pl.col("name_key").is_not_null())
        .select(
            "n",
            "name_key",
            group=pl.concat_str("value", "name_key", separator=_BETWEEN),
            evidence=pl.format("{}, which {} records share, and the same name", shown, "sharing"),
            weight=pl.lit(rule.weight * SHARED_WEIGHT),
        )
        .filter(pl.len().over("group").is_between(2, rule.most_records))
    )
    return pl.concat([part.select(_GROUPS) for part in (alone, with_name)])


def _edges(rule: Rule, members: pl.DataFrame) -> pl.DataFrame:
    """Stars, round by round: each round takes the anchors out, so there are at most as many rounds
    as the largest group has members."""
    found: list[pl.DataFrame] = []
    # The best anchor has a name, and a given name that is more than an initial: two people may
    # each agree with a record that has neither.
    members = members.sort(
        pl.col("name_key").is_null(), pl.col("name_key").str.contains(r"^\S( |$)"), "n"
    )
    while members.height:
        anchors = members.group_by("group", maintain_order=True).agg(
            pl.first("n").alias("anchor"), pl.first("name_key").alias("anchor_name")
        )
        others = members.join(anchors, on="group", maintain_order="left").filter(
            pl.col("n") != pl.col("anchor")
        )
        others = _compared(others, rule, is_first=not found)
        against = pl.col("refused_because")
        # Later rounds would refuse the same once more.
        found.append(others.filter(against.is_null()) if found else others)
        members = others.filter(against.is_not_null()).select(_GROUPS)
    edges = [pl.DataFrame(schema=CANDIDATES_SCHEMA)]
    edges += [linked.select(_edge_columns(rule)) for linked in found]
    return pl.concat(edges)


def _edge_columns(rule: Rule) -> list[pl.Expr]:
    return [
        pl.min_horizontal("n", "anchor").alias("left"),
        pl.max_horizontal("n", "anchor").alias("right"),
        pl.lit(rule.name).alias("rule"),
        pl.col("evidence", "weight", "refused_because"),
    ]


def _compared(pairs: pl.DataFrame, rule: Rule, *, is_first: bool) -> pl.DataFrame:
    """The pairs with `refused_because`: what the names say against them, null if nothing.

    Once two people have a value, which is so in every round after the first, it does not say whose
    a record without a name is.
    """
    relation = _relations(pairs)
    refused = relation.is_in([name.value for name in rule.refuses])
    unknown = relation == Names.UNKNOWN.value
    return (
        pairs.with_columns(relation=relation, refused=refused, unknown=unknown)
        .with_columns(
            several=pl.lit(not is_first)
            | (pl.col("refused") & ~pl.col("unknown")).any().over("group")
        )
        .with_columns(
            refused_because=pl.when("refused")
            .then("relation")
            .when(pl.col("unknown") & pl.col("several"))
            .then(pl.lit(f"{Names.UNKNOWN}, and several people have the value"))
        )
        .drop("relation", "refused", "unknown", "several")
    )


def _relations(pairs: pl.DataFrame) -> pl.Series:
    """How `name_key` and `anchor_name` relate; most are equal, and need no comparison."""
    here, there = pairs["name_key"], pairs["anchor_name"]
    relation = pairs.select(
        pl.when(here.is_null() | there.is_null())
        .then(pl.lit(Names.UNKNOWN.value))
        .when(here == there)
        .then(pl.lit(Names.AGREE.value))
        .alias("relation")
    )["relation"]
    other = relation.is_null()
    said = [
        compare(*pair).value for pair in zip(here.filter(other), there.filter(other), strict=True)
    ]
    return relation.scatter(other.arg_true(), said)
