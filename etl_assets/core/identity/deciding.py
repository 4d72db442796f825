"""What a decision would change, before it is kept: what `merge` and `unmerge` tell their user."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from etl_assets.core.errors import UnknownCustomer
from etl_assets.core.identity.decisions import Record, standing
from etl_assets.core.identity.explain import Link, explain
from etl_assets.core.identity.resolve import Options, Resolved, resolve


@dataclass(frozen=True)
class Outcome:
    """The keys of the two records before and after; `links` connect them afterwards, if they are
    one; `takes_back` says that the decision only takes a merge back."""

    decision: str
    left: Record
    right: Record
    before: tuple[int, int]
    after: tuple[int, int]
    takes_back: bool
    links: tuple[Link, ...]

    def lines(self) -> Iterator[str]:
        """The outcome as text, with the next step where the user may want one."""
        pair = f"{'/'.join(self.left)} and {'/'.join(self.right)}"
        was_one, is_one = (keys[0] == keys[1] for keys in (self.before, self.after))
        if was_one == is_one:
            yield f"{pair} {'are one customer' if is_one else 'are two customers'}, as before."
        else:
            yield f"{pair} become {'one customer' if is_one else 'two customers'}."
        yield "keys: " + ", ".join(
            f"{'/'.join(record)} {key}" + (f" (was {old})" if key != old else "")
            for record, old, key in zip(
                (self.left, self.right), self.before, self.after, strict=True
            )
        )
        if self.takes_back:
            yield "This takes the merge of the two back, as if it had not been said."
        if self.decision == "unmerge" and is_one:
            yield "They are still joined by:"
            yield from (f"  {link}" for link in self.links)
            yield "Unmerge them once more to hold them apart."
        if self.decision == "merge" and not is_one:
            yield "A decision that holds records of the two apart stands against it: explain both."


def outcome(
    records: pl.LazyFrame,
    decisions: pl.LazyFrame,
    new: pl.DataFrame,
    options: Options | None = None,
    more_edges: pl.LazyFrame | None = None,
) -> Outcome:
    """What the one row `new` (as `decide` makes it) would change; the others are as in `resolve`.

    Raises UnknownCustomer if one of its records is not there.
    """
    row = new.row(0, named=True)
    left = (row["left_system"], row["left_id"])
    right = (row["right_system"], row["right_id"])
    log = decisions.collect()
    more = pl.concat([log, new])
    was, becomes = (resolve(records, said.lazy(), options, more_edges) for said in (log, more))
    before, after = _keys(was, left, right), _keys(becomes, left, right)
    held = {(one.left, one.right) for one in standing(log) if one.decision == "merge"}
    links: tuple[Link, ...] = ()
    if after[0] == after[1]:
        both = (explain(one, becomes, more).links for one in (left, right))
        links = tuple(dict.fromkeys(link for ways in both for link in ways))
    takes_back = row["decision"] == "unmerge" and (left, right) in held
    return Outcome(row["decision"], left, right, before, after, takes_back, links)


def _keys(found: Resolved, left: Record, right: Record) -> tuple[int, int]:
    rows = found.clusters.select("source_system", "source_id", "customer_key")
    keys = []
    for record in (left, right):
        row = rows.filter(source_system=record[0], source_id=record[1])
        if row.is_empty():
            raise UnknownCustomer(
                f"There is no record {'/'.join(record)}.", "Compare system and id."
            )
        keys.append(int(row["customer_key"].item()))
    return keys[0], keys[1]
