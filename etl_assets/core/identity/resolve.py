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

    whole, joined = _join(rows, edges, decided, options)
    accepted = direct(whole, joined.filter(pl.col("refused_because").is_null()))
    found = find(whole, options.checks, accepted, [left for left, _ in decided.merges])
    held = vetoes(whole, found, options.checks, accepted)
    parts, joined = _join(rows, edges, decided, options, held) if held else (whole, joined)

    keyed = _with_keys(parts)
    golden_rows, provenance = golden(keyed, options.precedence)
    return Resolved(
        edges=named(joined, rows),
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


def _join(
    rows: pl.DataFrame,
    edges: pl.DataFrame,
    decided: Decided,
    options: Options,
    held: Sequence[Veto] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with their `anchor`, and all edges with why each was not followed.

    Merges of people go first, and only pairs that people hold apart can stop them.
    """
    by_hand: list[Veto] = [HeldApart(decided.apart)] if decided.apart else []
    one_each = options.one_record_systems
    systems = [system if system in one_each else None for system in rows["source_system"]]
    by_system = [OneOfSystem(systems)] if one_each else []
    joining = Joining(rows.height, [*by_hand, *by_system, *held])
    merges = decided.edges(joining.follow(decided.merges, by_hand))
    against = pl.col("refused_because")
    followed, refused = edges.filter(against.is_null()), edges.filter(against.is_not_null())
    why = joining.follow(followed.select("left", "right").iter_rows())
    followed = followed.with_columns(pl.Series("refused_because", why, pl.String))
    anchors = pl.Series("anchor", joining.anchors(), pl.UInt32)
    return rows.with_columns(anchors), pl.concat([merges, followed, refused])


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
    """What was found, in OVER_MERGED_SCHEMA: the clusters as they were before anything was held."""
    sizes = whole.group_by("anchor").agg(records=pl.len().cast(pl.Int64))
    # The oldest record of a cluster is the anchor of its part as well.
    keys = keyed.select("customer_key", anchor="n")
    held = sorted(reason.value for reason in checks.held_apart)
    return (
        found.join(sizes, on="anchor")
        .join(keys, on="anchor")
        .with_columns(is_held_apart=pl.col("reason").is_in(held))
        .select(OVER_MERGED_SCHEMA.names())
        .sort("customer_key", "reason")
    )
