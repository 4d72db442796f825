"""Why a record is of its customer: the edges that lead to the oldest record, what did not join,
what people decided, and where each golden cell is from. Personal values are masked.

It works on the frames of `Resolved`, fresh or as read back from a warehouse.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from etl_assets.core.errors import UnknownCustomer
from etl_assets.core.identity.decisions import Record, Standing, standing
from etl_assets.core.identity.masking import masked
from etl_assets.core.identity.resolve import Resolved

PERSONAL = ("full_name", "email", "phone")
"""Columns of golden records that are shown masked."""


@dataclass(frozen=True)
class Link:
    """One edge between two records; `why` is the rule with its evidence and weight."""

    left: Record
    right: Record
    why: str
    refused_because: str | None = None

    def __str__(self) -> str:
        """The edge as one line."""
        refused = f"; refused: {self.refused_because}" if self.refused_because else ""
        return f"{_shown(self.left)} — {_shown(self.right)}: {self.why}{refused}"


@dataclass(frozen=True)
class Explanation:
    """A customer, or one record of it: `links` lead from the records that were asked about to the
    oldest one (`anchor`), and from all of them where it is the one, `refused` are edges of these
    records that join nothing."""

    customer_key: int
    anchor: Record
    members: Sequence[Record]
    links: Sequence[Link]
    refused: Sequence[Link]
    decisions: Sequence[Standing]
    cells: Sequence[str]
    reports: Sequence[str]

    def lines(self) -> Iterator[str]:
        """The explanation as text."""
        yield f"customer {self.customer_key}, after its oldest record {_shown(self.anchor)}"
        parts: Mapping[str, Sequence[object]] = {
            "records": [_shown(member) for member in self.members],
            "joined by": self.links,
            "not joined": self.refused,
            "decisions that hold": self.decisions,
            "golden record": self.cells,
            "may be several customers": self.reports,
        }
        for title, rows in parts.items():
            if rows:
                yield f"{title}:"
                yield from (f"  {row}" for row in rows)

    def as_dict(self) -> dict[str, object]:
        """The same for JSON; without the reasons of decisions, which are free text."""
        return {
            "customer_key": self.customer_key,
            "anchor": _shown(self.anchor),
            "records": [_shown(member) for member in self.members],
            "joined_by": [_link(link) for link in self.links],
            "not_joined": [_link(link) for link in self.refused],
            "decisions": [
                {
                    "decision": one.decision,
                    "left": _shown(one.left),
                    "right": _shown(one.right),
                    "by": one.decided_by,
                    "at": one.decided_at,
                }
                for one in self.decisions
            ],
            "golden_record": list(self.cells),
            "may_be_several_customers": list(self.reports),
        }


def _link(link: Link) -> dict[str, str | None]:
    return {
        "left": _shown(link.left),
        "right": _shown(link.right),
        "why": link.why,
        "refused_because": link.refused_because,
    }


def explain(who: int | Record, resolved: Resolved, decisions: pl.DataFrame) -> Explanation:
    """Explain a `customer_key`, or a record by (source_system, source_id).

    `decisions` is the log in DECISIONS_SCHEMA. Raises UnknownCustomer if there is no such one.
    """
    clusters = resolved.clusters
    key = who if isinstance(who, int) else _key_of(who, clusters)
    rows = clusters.filter(pl.col("customer_key") == key)
    if rows.is_empty():
        raise UnknownCustomer(
            f"There is no customer {key}.", "A key goes when an older record joins: ask by record."
        )
    members: list[Record] = list(rows.select("source_system", "source_id").iter_rows())
    anchor: Record = rows.select("anchor_system", "anchor_id").row(0)
    asked = set(members) if isinstance(who, int) else {who}
    edges = [*_links(resolved.edges, set(members))]
    held = [link for link in edges if not link.refused_because]
    return Explanation(
        key,
        anchor,
        members,
        # The oldest record has no way to go: the others come to it.
        _way(held, anchor, members if isinstance(who, int) or who == anchor else [who]),
        [link for link in edges if link.refused_because and asked & {link.left, link.right}],
        [one for one in standing(decisions) if {one.left, one.right} & asked],
        _cells(resolved, key),
        [
            f"{reason} ({detail})" + ("; held apart" if is_held else "")
            for reason, detail, is_held in resolved.over_merged.filter(customer_key=key)
            .select("reason", "detail", "is_held_apart")
            .iter_rows()
        ],
    )


def _key_of(record: Record, clusters: pl.DataFrame) -> int:
    found = clusters.filter(source_system=record[0], source_id=record[1])["customer_key"]
    if found.is_empty():
        raise UnknownCustomer(f"There is no record {_shown(record)}.", "Compare system and id.")
    return int(found.item())


def _links(edges: pl.DataFrame, members: set[Record]) -> Iterator[Link]:
    """The edges that touch the members, the strongest first."""
    ids = pl.DataFrame(sorted(members), schema=["system", "id"], orient="row")
    touching = pl.concat(
        [
            edges.join(
                ids, left_on=[f"{side}_system", f"{side}_id"], right_on=ids.columns, how="semi"
            )
            for side in ("left", "right")
        ]
    ).unique()
    order = ["weight", *(name for name in edges.columns if name != "weight")]
    ordered = touching.sort(order, descending=[True, *[False] * (len(order) - 1)])
    for row in ordered.iter_rows(named=True):
        yield Link(
            (row["left_system"], row["left_id"]),
            (row["right_system"], row["right_id"]),
            f"{row['evidence']} ({row['rule']}, weight {row['weight']:g})",
            row["refused_because"],
        )


def _way(held: Sequence[Link], anchor: Record, asked: Sequence[Record]) -> list[Link]:
    """The links on the shortest ways from the anchor to the records, each once."""
    by_record: dict[Record, list[tuple[Record, Link]]] = {}
    for link in held:
        by_record.setdefault(link.left, []).append((link.right, link))
        by_record.setdefault(link.right, []).append((link.left, link))
    back: dict[Record, tuple[Record, Link]] = {}
    seen, reached = {anchor}, [anchor]
    for here in reached:  # grows while it is read: breadth first
        for there, link in by_record.get(here, ()):
            if there not in seen:
                seen.add(there)
                reached.append(there)
                back[there] = (here, link)
    way: dict[int, Link] = {}
    for record in asked:
        at = record
        while at in back and id(back[at][1]) not in way:
            at, link = back[at]
            way[id(link)] = link
    return list(way.values())


def _cells(resolved: Resolved, key: int) -> list[str]:
    """`email a***@example.com: from shop/1, precedence` for each cell."""
    hidden = [masked(pl.col(name)) for name in PERSONAL if name in resolved.golden.columns]
    values = resolved.golden.filter(customer_key=key).with_columns(hidden).row(0, named=True)
    return [
        f"{column} {values[column]}: from {system}/{source_id}, {why}"
        for column, system, source_id, why in resolved.provenance.filter(customer_key=key)
        .drop("customer_key")
        .iter_rows()
    ]


def _shown(record: Record) -> str:
    return "/".join(record)
