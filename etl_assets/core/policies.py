"""Policies of a table: how much may be wrong, what its columns and its deleted rows may do, and by
when its days must have arrived.

Data only. The checks that apply the thresholds are in `core/checks.py` and `core/verdict.py`, drift
is decided in `core/drift.py`, arrivals in `core/arrivals.py`, and deleted rows in `pipeline/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum
from typing import Literal

from etl_assets.core.checks import Severity
from etl_assets.core.spec_classes import spec_class

LOOKBACK = timedelta(minutes=1)
"""How far back each sync reads again, unless a spec says otherwise."""


FRESH_WITHIN = timedelta(hours=1)
"""How long a table that syncs may go without one before it counts as stale, by default."""


@spec_class
@dataclass(frozen=True)
class Thresholds:
    """How much may be wrong before a day is not published.

    `max_bad_share`: the share of a day's rows that may be set aside in quarantine.
    `min_share_of_last`: a day that comes back with fewer rows than this share of what is published
    is refused. `history_days` and `max_change`: how many earlier days the row count is
    compared with, and by what factor it may differ from their median.
    `max_deleted_share`: the share of a table that a reconciliation may remove unconfirmed.
    `severities` overrides the severity of a check by its name; an error blocks, a warning shows.
    """

    max_bad_share: float = 0.01
    min_share_of_last: float = 0.5
    history_days: int = 7
    max_change: float = 3.0
    max_deleted_share: float = 0.2
    severities: Mapping[str, Severity] = field(default_factory=dict)


class Drift(StrEnum):
    """What a source table's columns may do. What the contract needs must stay, in all three.

    `report`: a new column is a warning, and not read. `freeze`: any change stops the table.
    `evolve`: a new column is kept, with its values, in the table's overflow column, as JSON.
    """

    REPORT = "report"
    FREEZE = "freeze"
    EVOLVE = "evolve"


class Deletes(StrEnum):
    """What happens to a row that the source deleted.

    `remove`: it leaves the table. `tombstone`: it leaves the table, and its last version is kept
    in `etl_tombstones`. `keep`: it stays, for sources that prune what the warehouse shall keep,
    whatever road finds that it is gone: a load, a sync or a reconciliation. Of a table of files the
    rows of objects that are gone stay until somebody loads their day by hand.
    """

    REMOVE = "remove"
    TOMBSTONE = "tombstone"
    KEEP = "keep"


@spec_class
@dataclass(frozen=True)
class Arrival:
    """When the rows of a day must be there, and how many at least.

    `by` is the time on the clock of `zone` (an IANA name), on the day itself or `days_after` days
    later: `days_after=1` is for a file that comes on the morning after its day. With
    `every="weekday"` nothing is expected for Saturdays and Sundays. The day counts as arrived when
    it is published with at least `rows` rows, of at least one object if it is read from files.
    """

    by: time
    zone: str = "UTC"
    rows: int = 1
    every: Literal["day", "weekday"] = "day"
    days_after: int = 0
