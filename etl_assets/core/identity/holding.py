"""Vetoes that keep apart what `over_merges.py` reports, edge by edge.

Each knows the records of reported clusters only, so that a cluster is cut for what is in itself.
Merges of people come after them, so that what a person merged is never cut.
"""

from collections.abc import Collection, Mapping

import polars as pl

from etl_assets.core.identity.joining import Veto
from etl_assets.core.identity.over_merges import Accepted, Checks, Reason, Who, conflict
from etl_assets.core.wording import count_of


def vetoes(
    records: pl.DataFrame, found: pl.DataFrame, checks: Checks, accepted: Accepted
) -> list[Veto]:
    """The vetoes of what `find` found in `records` and `checks` want to be held apart."""
    held: list[Veto] = []
    for reason in Reason:
        anchors = found.filter(pl.col("reason") == reason.value)["anchor"].implode()
        suspects = records.filter(pl.col("anchor").is_in(anchors))
        if reason not in checks.held_apart or not suspects.height:
            continue
        if reason is Reason.NAMES:
            named = suspects.drop_nulls("name_key")
            rows = named.select("n", "anchor", "name_key", "country").iter_rows()
            who = {n: (anchor, (name, country)) for n, anchor, name, country in rows}
            held.append(NamesApart(who, accepted))
        elif reason is Reason.SHOP_CUSTOMERS:
            ids = suspects.drop_nulls("shop_customer_id").select("n", "shop_customer_id").rows()
            held.append(ShopCustomersApart(dict(ids), checks.most_shop_customers))
        else:
            held.append(SizeHeld(suspects["n"].to_list(), checks.most_records))
    return held


class NamesApart:
    """Records whose names conflict are not joined. `who` has the cluster of each record, as it was
    before anything was held apart, and its name and country."""

    def __init__(self, who: Mapping[int, tuple[int, Who]], accepted: Accepted) -> None:
        self._who = {n: {one} for n, one in who.items()}
        self._accepted = accepted

    def refuses(self, older: int, newer: int) -> str | None:
        """A name that both have is no news: whatever it conflicts with was let in before."""
        here, there = self._who.get(older, set()), self._who.get(newer, set())
        for cluster, one in here - there:
            if any(conflict(cluster, one, other, self._accepted) for _, other in there - here):
                return "it would join records whose names differ"
        return None

    def joined(self, older: int, newer: int) -> None:
        """Keep who is in a component."""
        if moved := self._who.pop(newer, None):
            self._who.setdefault(older, set()).update(moved)


class ShopCustomersApart:
    """No component has more than `most` numbers of the shop, by the number of each record."""

    def __init__(self, ids: Mapping[int, int], most: int) -> None:
        self._ids = {n: {number} for n, number in ids.items()}
        self._most = most

    def refuses(self, older: int, newer: int) -> str | None:
        """Whether the two together would have too many."""
        here, there = self._ids.get(older, set()), self._ids.get(newer, set())
        if here and there and len(here | there) > self._most:
            return "it would join several shop customers"
        return None

    def joined(self, older: int, newer: int) -> None:
        """Keep the numbers of a component."""
        if moved := self._ids.pop(newer, None):
            self._ids.setdefault(older, set()).update(moved)


class SizeHeld:
    """No component of these records has more than `most`."""

    def __init__(self, records: Collection[int], most: int) -> None:
        self._sizes = dict.fromkeys(records, 1)
        self._most = most

    def refuses(self, older: int, newer: int) -> str | None:
        """Whether the two together are too many."""
        size = self._sizes.get(older, 0) + self._sizes.get(newer, 0)
        return (
            f"it would join {count_of(size, 'record')}, more than {self._most}"
            if size > self._most
            else None
        )

    def joined(self, older: int, newer: int) -> None:
        """Keep the size of the component."""
        if newer in self._sizes:
            self._sizes[older] = self._sizes.get(older, 0) + self._sizes.pop(newer)
