"""Which versions a history has by the source's time, and how near a tool comes to them.

Written apart from the product: key by key, change by change, in plain Python.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.scd2.histories import Change, clock


class Version(NamedTuple):
    """The tracked value of a key from an hour until before another; None for no end."""

    id: int | None
    a: str | None
    since: int
    until: int | None


@dataclass(frozen=True, order=True)
class Verdict:
    """The less, the better: versions that are wrong or missing, then bounds by the run's clock.

    `lost` are right versions that are not there, `wrong` those that are there and should not be,
    `by_clock` those that only have the time of a run where they should have the source's. `error`
    is what a tool said that did not run.
    """

    error: str
    errors: int
    by_clock: int
    lost: int
    wrong: int

    @property
    def is_right(self) -> bool:
        """Whether all versions are there, by the source's time."""
        return not (self.error or self.errors or self.by_clock)

    @property
    def told(self) -> str:
        """A cell of the table."""
        if self.error:
            return "refused"
        counts = {"lost": self.lost, "wrong": self.wrong, "by the clock": self.by_clock}
        return ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "right"


def versions_by_source_time(changes: Iterable[Change]) -> list[Version]:
    """The versions that the changes have to make."""
    found = []
    last = {(c.id, c.at): c for c in sorted(changes, key=lambda change: change.seq)}
    for key in dict.fromkeys(change.id for change in last.values()):
        own = sorted((c for c in last.values() if c.id == key), key=lambda change: change.at)
        open_: Change | None = None
        for change in own:
            if open_ is not None and (change.gone or change.a != open_.a):
                found.append(Version(key, open_.a, open_.at, change.at))
                open_ = None
            if open_ is None and not change.gone:
                open_ = change
        if open_ is not None:
            found.append(Version(key, open_.a, open_.at, None))
    return found


def judge(right: Sequence[Version], found: Sequence[Version], runs: int, error: str) -> Verdict:
    """What is to be said of the versions `found` by a tool in so many runs."""
    clocks = {clock(run) for run in range(runs)}
    left, lost, by_clock = list(found), 0, 0
    for version in right:
        if version in left:
            left.remove(version)
    missing = [version for version in right if version not in found]
    for version in missing:
        alike = [one for one in left if _differs_by_clock(one, version, clocks)]
        if alike:
            left.remove(alike[0])
            by_clock += 1
        else:
            lost += 1
    return Verdict(error, lost + len(left), by_clock, lost, len(left))


def _differs_by_clock(found: Version, right: Version, clocks: set[int]) -> bool:
    """Whether each bound is the right one, or the time of a run, or the beginning of all times."""
    if (found.id, found.a) != (right.id, right.a) or (found.until is None) != (right.until is None):
        return False
    since = found.since == right.since or found.since < 0 or found.since in clocks
    if found.until is None or right.until is None:
        return since
    return since and (found.until == right.until or found.until in clocks)
