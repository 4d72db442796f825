"""Which tables wait for which parts of their inputs, and why. Pure.

A part waits while one that it is made of was refused, is late itself, or waits in turn: it would
have to be made twice, or of what is known to be wrong. Which days are late is `lateness.py`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import Input, LayerTable

Parts = Mapping[str, Mapping[date, str]]
"""By table the parts that something is the matter with, with what it is."""


@dataclass(frozen=True)
class Waiting:
    """A derived table waits for parts of one input, each with the reason.

    `days` are its own parts that wait, none where the table was never made and its input is not
    published at all; then `waits_for` is empty as well.
    """

    table: str
    days: Sequence[date]
    input: str
    waits_for: Mapping[date, str]

    @property
    def because(self) -> str:
        """The reasons in a line: the first, and how many others there are."""
        reasons = list(dict.fromkeys(self.waits_for.values()))
        if not reasons:
            return "it is not published"
        return f"{reasons[0]}; and {len(reasons) - 1:,} more" if reasons[1:] else reasons[0]


def waiting(
    tables: Mapping[str, LayerTable],
    published: Mapping[str, Collection[date]],
    refused: Parts,
    late: Parts,
) -> list[Waiting]:
    """Every derived table that waits, upstream tables first; a line for each of its inputs.

    `published` are the published parts by table, `refused` those that were refused and `late` the
    derived ones that are behind their inputs.
    """
    blocked = {path: {**late.get(path, {}), **refused.get(path, {})} for path in tables}
    begun = {path for path in tables if published.get(path) or refused.get(path)}
    found = []
    for path, table in tables.items():
        for given in (one for one in table.inputs.values() if one.makes_late):
            bad = blocked.get(given.asset, {})
            days = [
                day
                for day in _parts(table, given, published, bad)
                if given.reads_any(day, bad) and day not in late.get(path, {})
            ]
            if days:
                found.append(Waiting(path, days, given.asset, _read(given, days, bad)))
                blocked[path] |= dict.fromkeys(days, f"waits for {given.asset}")
        if table.inputs and path not in begun and not blocked[path]:
            missing = [one.asset for one in table.inputs.values() if one.asset not in begun]
            if _is_begun_above(path, tables, begun):
                found += [Waiting(path, (), asset, {}) for asset in dict.fromkeys(missing)]
    return found


def _parts(
    table: LayerTable,
    given: Input,
    published: Mapping[str, Collection[date]],
    bad: Mapping[date, str],
) -> list[date]:
    """The parts that the table has, or would have if its input were as it should be."""
    if not table.has_days:
        return [WHOLE]
    parts = {*published.get(table.path, ()), *published.get(given.asset, ()), *bad}
    return sorted(parts - {WHOLE})


def _read(given: Input, days: Sequence[date], bad: Mapping[date, str]) -> dict[date, str]:
    return {
        known: why
        for known, why in sorted(bad.items())
        if any(given.reads(day, known) for day in days)
    }


def _is_begun_above(path: str, tables: Mapping[str, LayerTable], begun: Iterable[str]) -> bool:
    """Whether anything that the table is made of in the end is there: else nobody waits."""
    above = [one.asset for one in tables[path].inputs.values()]
    known = set(begun)
    while above:
        one = above.pop()
        if one in known:
            return True
        above += [given.asset for given in tables[one].inputs.values()] if one in tables else []
    return False
