"""The ledger of files: which objects a published part was made of, and what became of each.

A row of `etl_files` for each object of each published part, in the transaction that publishes the
part. Objects are listed and read in `sources/files/`; what becomes of their rows is `pipeline/`.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date, datetime
from enum import StrEnum

import polars as pl

_MOMENT = pl.Datetime("us", "UTC")

LEDGER_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "partition_key": pl.Date(),
        "object_key": pl.String(),
        "identity": pl.String(),
        "size": pl.Int64(),
        "modified": _MOMENT,
        "status": pl.String(),
        "error": pl.String(),
        "rows_read": pl.Int64(),
        "rows_published": pl.Int64(),
        "rows_quarantined": pl.Int64(),
        "first_seen": _MOMENT,
        "last_seen": _MOMENT,
        "run_id": pl.String(),
    }
)
"""`etl_files`: the columns of `LedgerEntry`, by these names."""


class FileStatus(StrEnum):
    """What became of an object: its rows are `loaded`, or it was `refused` as a whole."""

    LOADED = "loaded"
    REFUSED = "refused"


@dataclass(frozen=True)
class LedgerEntry:
    """One object that a published part was made of; times are UTC.

    `object_key` is the object's key below the table's location, `identity` what tells one content
    from another (its ETag, or its version), `size` in bytes, `modified` as the store says it.
    `status` is a FileStatus; `error` is the reason of an object that is refused: none of its rows
    is published then.
    `rows_read` are all records of it, `rows_published` and `rows_quarantined` add up to them.
    `first_seen` is when the platform met the key first, `last_seen` the listing that the part was
    read by.
    """

    table_name: str
    partition_key: date
    object_key: str
    identity: str
    size: int
    modified: datetime
    status: str
    error: str | None
    rows_read: int
    rows_published: int
    rows_quarantined: int
    first_seen: datetime
    last_seen: datetime
    run_id: str


def ledger_frame(entries: Iterable[LedgerEntry]) -> pl.DataFrame:
    """The entries in LEDGER_SCHEMA."""
    rows = [astuple(entry) for entry in entries]
    return pl.DataFrame(rows, schema=LEDGER_SCHEMA, orient="row")
