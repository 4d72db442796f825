"""How large the parts are: the options of the command, and what `--quick` makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """An option `--name`, its value in the whole bench and in a quick one, and its help."""

    name: str
    whole: int
    quick: int
    help: str


SIZES = (
    Size("rows", 2_000_000, 20_000, "Rows of the speed race and of the checks' share."),
    Size("memory-rows", 5_000_000, 50_000, "And twice as many after that."),
    Size("scaling-rows", 20_000_000, 40_000, "The largest table of those that grow."),
    Size("bigquery-rows", 1_000_000, 20_000, "Rows into BigQuery."),
    Size("upsert-rows", 200_000, 2_000, "Rows into PostgreSQL."),
    Size("sync-rows", 10_000_000, 20_000, "Rows of a synced table."),
    Size("file-rows", 2_000_000, 20_000, "Rows of a day of files."),
    Size("file-memory-bytes", 100_000_000, 2_000_000, "Of a CSV and a gzip; then twice as many."),
    Size("file-keys", 100_000, 1_000, "Objects in one prefix."),
    Size("event-rows", 1_000_000, 2_000, "Events that arrive."),
    Size("changes", 10_000_000, 20_000, "Changes of a dimension."),
    Size("large-row-bytes", 60_000_000, 10_000_000, "Of one JSON."),
    Size("days", 30, 1, "Days of the demo shop to backfill."),
    Size("year-days", 365, 5, "Days of the twelve tables to backfill."),
    Size("repeats", 3, 1, "Runs that a median is made of."),
)

BYTES_A_ROW = 600
"""The room on disk that a row needs: in the source, in spools and in the warehouse."""


def most_rows(sizes: Mapping[str, int]) -> int:
    """The rows of the largest table that these sizes make."""
    return max(
        sizes["rows"], 2 * sizes["memory-rows"], sizes["sync-rows"], 2 * sizes["scaling-rows"]
    )
