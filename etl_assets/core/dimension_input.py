"""What rows of a dimension's input say: what changed of a key, or all that there is on a day."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """Rows that each say what changed of a key, and when.

    `moment` is the column of the moment (Datetime us UTC), `deleted` a Boolean column that says
    that the key is gone from then on. `order` are columns that put changes of one moment in order.
    """

    moment: str
    deleted: str | None = None
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshots:
    """Days that each hold all keys, as they were at the start of the day (UTC).

    `day` is the column of the day (Date), by which the input is partitioned. What differs from the
    snapshot before is a change, and a key that is missing was deleted. A snapshot that is empty, or
    far smaller than the one before (`Thresholds.min_share_of_last`), is refused.
    """

    day: str
