"""What the platform remembers of a published partition: a row of `etl_state`.

It is written by the warehouse in the transaction that publishes the rows, so that it is never
ahead of them nor behind.
"""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class PartitionState:
    """One published partition of one table; times are UTC.

    `as_of` is the moment of the snapshot that was read, on the clock of the system that it was
    read from: an older one never overwrites a newer one (L5). `high_watermark` and `watermark_key`
    are the greatest cursor and its row's key. `source_count` is the source's own count, `row_count`
    what is published and `quarantined_count` what was set aside. `verified_through` is the moment
    up to which a reconciliation found source and warehouse equal.
    """

    table_name: str
    partition_key: date
    high_watermark: datetime | None
    watermark_key: str | None
    row_count: int
    source_count: int | None
    quarantined_count: int
    checks_passed: int
    checks_failed: int
    as_of: datetime
    load_id: str
    run_id: str
    seconds: float
    verified_through: datetime | None
    updated_at: datetime
