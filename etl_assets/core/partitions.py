"""Days: the half-open UTC windows that every table is partitioned by.

A partition's key is an ISO date. Nothing here knows which days exist; that is configuration.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from etl_assets.core.errors import PartitionError

ONE_DAY = timedelta(days=1)

WHOLE = date.min
"""The partition key (0001-01-01) of a table without days, in state, quarantine, digests and spool:
such a table has exactly one part, which is all of its rows."""


@dataclass(frozen=True, order=True)
class Window:
    """The half-open span of whole UTC days `[first, last + 1 day)`."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise PartitionError(
                f"The range ends ({self.last}) before it starts ({self.first}).",
                "Swap the two days.",
            )

    @property
    def start(self) -> datetime:
        """The first moment inside, in UTC."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment after, in UTC."""
        return datetime.combine(self.last + ONE_DAY, time.min, UTC)

    def days(self) -> Iterator[date]:
        """Each day, in order."""
        return (self.first + n * ONE_DAY for n in range((self.last - self.first).days + 1))

    @classmethod
    def of(cls, day: date) -> "Window":
        """The window of a single day."""
        return cls(day, day)


def parse_day(text: str) -> date:
    """The date of a partition key; raises PartitionError for anything but `YYYY-MM-DD`."""
    try:
        day = date.fromisoformat(text)
        if day.isoformat() != text:  # fromisoformat takes 20240101 and 2024-W01-1 as well
            raise ValueError(text)
        return day
    except ValueError:
        raise PartitionError(
            f"{text!r} is not a day.", "Write it as YYYY-MM-DD, for example 2024-01-31."
        ) from None


def windows_of(days: Iterable[date]) -> list[Window]:
    """The fewest windows that cover exactly these days: runs of neighbours become one window."""
    windows: list[Window] = []
    for day in sorted(set(days)):
        if windows and day == windows[-1].last + ONE_DAY:
            windows[-1] = Window(windows[-1].first, day)
        else:
            windows.append(Window.of(day))
    return windows
