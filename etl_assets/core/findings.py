"""What a look at the systems around the platform found: data for `etl-assets doctor`. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MOST_SKEW = timedelta(seconds=2)
"""Two clocks that are no further apart agree."""


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, in one system.

    `where` names the system (with host, port and database, never a password), `check` what was
    looked at and `found` what was found. Where that is not as it should be `cost` is a sentence
    that says what it costs if it is left, and `next_step` the statement or the command that mends
    it. An error keeps loads from working, a warning does not.
    """

    where: str
    check: str
    found: str
    level: Level = Level.OK
    cost: str = ""
    next_step: str = ""

    @property
    def is_wanting(self) -> bool:
        """Whether somebody should do something."""
        return self.level in (Level.WARNING, Level.ERROR)

    def told(self) -> str:
        """All of it in a line."""
        return " ".join(filter(None, [f"{self.where}: {self.found}.", self.cost, self.next_step]))


def clock_finding(where: str, skew: timedelta) -> Finding:
    """How far a clock is from this machine's."""
    seconds = skew.total_seconds()
    if abs(skew) <= MOST_SKEW:
        return Finding(where, "clock", "agrees with this machine's")
    ahead = "ahead of" if seconds > 0 else "behind"
    return Finding(
        where,
        "clock",
        f"its clock is {abs(seconds):,.0f} s {ahead} this machine's",
        Level.WARNING,
        "Days end at another moment here than there, so the newest day is loaded too early or too "
        "late, and ages in etl-assets status are wrong by as much.",
        "Let both synchronise with a time server: timedatectl set-ntp true.",
    )
