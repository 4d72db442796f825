"""Records, decisions and edges of others by number: the oldest record is 0."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import polars as pl

from etl_assets.core.errors import ContractMismatch
from etl_assets.core.identity.decisions import Record, Standing
from etl_assets.core.identity.evidence import CANDIDATES_SCHEMA
from etl_assets.core.identity.joining import Edge
from etl_assets.core.identity.names import name_key
from etl_assets.core.identity.schemas import EDGES_SCHEMA, RECORDS_SCHEMA

BY_HAND = "decision"
"""The rule of an edge that is a person's merge."""

KEY = ["source_system", "source_id"]


def numbered(records: pl.DataFrame) -> pl.DataFrame:
    """The records of RECORDS_SCHEMA by (created_at, source_system, source_id), with their number
    `n` (UInt32) and `name_key`; ContractMismatch if a column or a key is not as it must be."""
    if faults := [n for n, dtype in RECORDS_SCHEMA.items() if records.schema.get(n) != dtype]:
        raise ContractMismatch(
            f"Customer records lack, or have in another dtype: {', '.join(faults)}.",
            "Hand in the columns of RECORDS_SCHEMA.",
        )
    if twice := records.height - records.select(pl.struct(KEY).n_unique()).item():
        raise ContractMismatch(
            f"{twice} customer records have the source_system and source_id of another one.",
            "Hand in one row for each.",
        )
    return (
        records.sort("created_at", *KEY, nulls_last=True)
        .with_row_index("n")
        .with_columns(pl.col("n").cast(pl.UInt32), name_key=name_key("full_name"))
    )


@dataclass(frozen=True)
class Decided:
    """Standing decisions by numbers: merges in the order of their records, and pairs held apart
    with their reasons."""

    merges: Mapping[Edge, str]
    apart: Mapping[Edge, str]

    @classmethod
    def of(cls, records: pl.DataFrame, decisions: Sequence[Standing]) -> "Decided":
        """Those whose records are both there; the others wait until theirs are."""
        numbers = _numbers(records, {one for d in decisions for one in (d.left, d.right)})
        there = [d for d in decisions if d.left in numbers and d.right in numbers]
        texts: dict[str, dict[Edge, str]] = {"merge": {}, "unmerge": {}}
        for one in there:
            older, newer = sorted((numbers[one.left], numbers[one.right]))
            texts[one.decision][older, newer] = str(one)
        return cls(dict(sorted(texts["merge"].items())), texts["unmerge"])

    def within(self, anchors: pl.Series) -> list[Edge]:
        """The merges of records that have one anchor anyway, by the anchor of each record."""
        return [pair for pair in self.merges if anchors[pair[0]] == anchors[pair[1]]]

    def edges(self, refused: Iterable[str | None]) -> pl.DataFrame:
        """The merges in CANDIDATES_SCHEMA, with why each was not followed."""
        rows = [
            (left, right, BY_HAND, text, 1.0, why)
            for ((left, right), text), why in zip(self.merges.items(), refused, strict=True)
        ]
        return pl.DataFrame(rows, schema=CANDIDATES_SCHEMA, orient="row")


def taken(records: pl.DataFrame, more: pl.LazyFrame | None) -> pl.DataFrame:
    """Edges of others (EDGES_SCHEMA) between records that are there, in CANDIDATES_SCHEMA."""
    if more is None:
        return pl.DataFrame(schema=CANDIDATES_SCHEMA)
    edges = more.select(EDGES_SCHEMA.names()).collect()
    for side in ("left", "right"):
        keys = {"source_system": f"{side}_system", "source_id": f"{side}_id", "n": side}
        edges = edges.join(records.select(*keys).rename(keys), on=[f"{side}_system", f"{side}_id"])
    return edges.with_columns(
        left=pl.min_horizontal("left", "right"), right=pl.max_horizontal("left", "right")
    ).select(CANDIDATES_SCHEMA.names())


def named(edges: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """CANDIDATES_SCHEMA as EDGES_SCHEMA, sorted: the numbers become keys again."""
    keys = records.select(*KEY)
    for side in ("left", "right"):
        ids = keys[edges[side]].rename(
            {"source_system": f"{side}_system", "source_id": f"{side}_id"}
        )
        edges = edges.hstack(ids)
    names = EDGES_SCHEMA.names()
    return edges.select(names).sort(names[:6])


def _numbers(records: pl.DataFrame, wanted: AbstractSet[Record]) -> dict[Record, int]:
    keys = pl.DataFrame(sorted(wanted), schema=dict.fromkeys(KEY, pl.String), orient="row")
    rows = records.select(*KEY, "n").join(keys, on=KEY, how="semi").rows()
    return {(system, source_id): n for system, source_id, n in rows}
