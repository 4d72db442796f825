"""How a backfill with Dagster and one without are shown beside each other."""

from collections.abc import Mapping

from benchmarks.part import Sheet

_HEAD = ("", "seconds", "CPU s", "ms a day and table", "peak MB")


def backfill_sheet(
    what: str, figures: Mapping[str, float], partitions: float, *, ours: str, plain: str
) -> Sheet:
    """The figures that begin with `ours` (with Dagster) and with `plain`, a line each."""
    rows = [
        (
            title,
            f"{figures[f'{name}_seconds']:.1f}",
            f"{figures[f'{name}_cpu_seconds']:.1f}",
            f"{1000 * figures[f'{name}_seconds'] / partitions:.1f}",
            f"{figures[f'{name}_peak_rss_mb']:,.0f}",
        )
        for name, title in ((ours, "etl-assets backfill"), (plain, "without Dagster"))
    ]
    return Sheet(what, _HEAD, rows)
