"""Identity resolution: which records are one customer, as a pure function of records and decisions.

The result depends on nothing else: neither on the order of the rows nor on earlier runs.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import polars as pl

from etl_assets.core.identity.decisions import standing
from etl_assets.core.identity.evidence import candidates
from etl_assets.core.identity.golden import PRECEDENCE, golden
from etl_assets.core.identity.holding import vetoes
from etl_assets.core.identity.joining import HeldApart, Joining, OneOfSystem, Veto
from etl_assets.core.identity.keys import customer_keys
from etl_assets.core.identity.numbering import KEY, Decided, named, numbered, taken
from etl_assets.core.identity.over_merges import Checks, direct, find
from etl_assets.core.identity.rules import RULES, Rule
from etl_assets.core.identity.schemas import CLUSTERS_SCHEMA, OVER_MERGED_SCHEMA

_JOINS = pl.col("refused_because").is_null()


@dataclass(frozen=True)
class Options:
    """How to resolve. `one_record_systems` are those in which each record is another person."""

    rules: Sequence[Rule] = RULES
    checks: Checks = field(default_factory=Checks)
    precedence: Mapping[str, Sequence[str]] = field(default_factory=lambda: PRECEDENCE)
    one_record_systems: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Resolved:
    """The frames of `schemas.py`, sorted; `golden` has the columns that `golden.py` says."""

    edges: pl.DataFrame
    clusters: pl.DataFrame
    golden: pl.DataFrame
    provenance: pl.DataFrame
    over_merged: pl.DataFrame


def resolve(
    records: pl.LazyFrame,
    decisions: pl.LazyFrame,
    options: Options | None = None,
    more_edges: pl.LazyFrame | None = None,
) -> Resolved:
    """Resolve RECORDS_SCHEMA with DECISIONS_SCHEMA; `more_edges` (EDGES_SCHEMA) come from others.

    Decisions about records that are not there wait until they are. Raises ContractMismatch for a
    missing column or a key that stands in two rows, StateError if two customers get one key.
    """
    options = options or Options()
    rows = numbered(records.collect())
    decided = Decided.of(rows, standing(decisions.collect()))
    edges = _in_order(candidates(rows, options.rules), taken(rows, more_edges))

    # What people merged is not checked again: rules make parts, and merges join whole parts.
    whole, followed = _by_rules(rows, edges, decided, options)
    confirmed = decided.within(whole["anchor"])
    accepted = direct(whole, followed.filter(_JOINS), confirmed)
    found = find(whole, options.checks, accepted, [left for left, _ in confirmed])
    parts = whole
    if held := vetoes(whole, found, options.checks, accepted):
        parts, followed = _by_rules(rows, edges, decided, options, held)
    if decided.merges:
        parts, followed = _by_hand(rows, followed, decided)

    keyed = _with_keys(parts)
    golden_rows, provenance = golden(keyed, options.precedence)
    return Resolved(
        edges=named(followed, rows),
        clusters=keyed.select(CLUSTERS_SCHEMA.names()).sort(KEY),
        golden=golden_rows,
        provenance=provenance,
        over_merged=_reported(found, whole, keyed, options.checks),
    )


def _in_order(*edges: pl.DataFrame) -> pl.DataFrame:
    """The order in which edges are followed where not all can be: the strongest first, and of
    these the ones between the oldest records."""
    by = ["weight", "left", "right", "rule", "evidence"]
    return pl.concat(edges).sort(by, descending=[True, False, False, False, False])


def _by_rules(
    rows: pl.DataFrame,
    edges: pl.DataFrame,
    decided: Decided,
    options: Options,
    held: Sequence[Veto] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with the `anchor` that the edges lead to, and all edges, in their order, with why
    each was not followed."""
    one_each = options.one_record_systems
    systems = [system if system in one_each else None for system in rows["source_system"]]
    by_system = [OneOfSystem(systems)] if one_each else []
    joining = Joining(rows.height, [*_apart(decided), *by_system, *held])
    return _followed(joining, rows, edges.filter(_JOINS), edges.filter(~_JOINS))


def _by_hand(
    rows: pl.DataFrame, edges: pl.DataFrame, decided: Decided
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same with merges, which go first. Only pairs that people hold apart stop them, and the
    edges of the parts that they join; such edges are tried again, since the cut may be elsewhere
    now."""
    joining = Joining(rows.height, _apart(decided))
    merges = decided.edges(joining.follow(decided.merges))
    again = _JOINS | pl.col("refused_because").is_in(sorted(decided.apart.values()))
    tried = edges.filter(again).with_columns(refused_because=pl.lit(None, pl.String))
    return _followed(joining, rows, tried, pl.concat([merges, edges.filter(~again)]))


def _apart(decided: Decided) -> list[Veto]:
    return [HeldApart(decided.apart)] if decided.apart else []


def _followed(
    joining: Joining, rows: pl.DataFrame, edges: pl.DataFrame, others: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    why = joining.follow(edges.select("left", "right").iter_rows())
    edges = edges.with_columns(pl.Series("refused_because", why, pl.String))
    anchors = pl.Series("anchor", joining.anchors(), pl.UInt32)
    return rows.with_columns(anchors), pl.concat([edges, others])


def _with_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their cluster's columns of CLUSTERS_SCHEMA."""
    anchors = rows.filter(pl.col("n") == pl.col("anchor")).select(
        "anchor", anchor_system="source_system", anchor_id="source_id"
    )
    keys = customer_keys(anchors.select("anchor_system", "anchor_id").iter_rows())
    return rows.join(
        anchors.with_columns(pl.Series("customer_key", keys, pl.Int64)), on="anchor", how="left"
    ).with_columns(records=pl.len().over("anchor").cast(pl.Int64))


def _reported(
    found: pl.DataFrame, whole: pl.DataFrame, keyed: pl.DataFrame, checks: Checks
) -> pl.DataFrame:
    """What was found, in OVER_MERGED_SCHEMA: the clusters as they were before anything was held.

    One that was held apart and is together all the same was merged by a person: that is settled.
    """
    clusters = (
        whole.select("n", "anchor")
        .join(keyed.select("n", "customer_key"), on="n")
        .sort("n")
        .group_by("anchor")
        .agg(
            pl.first("customer_key"),
            records=pl.len().cast(pl.Int64),
            is_one=pl.col("customer_key").n_unique() == 1,
        )
    )
    held = sorted(reason.value for reason in checks.held_apart)
    return (
        found.join(clusters, on="anchor")
        .with_columns(is_held_apart=pl.col("reason").is_in(held))
        .filter(~(pl.col("is_held_apart") & pl.col("is_one")))
        .select(OVER_MERGED_SCHEMA.names())
        .sort("customer_key", "reason", "detail")
    )
