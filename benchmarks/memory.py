"""The peak memory of a process that loads one raw day whole, and of one that loads two of it."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.runner import measure
from benchmarks.source import Source
from benchmarks.task import Task


def measure_memory(
    source: Source, folder: Path, rows: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Peak resident MB with `rows` rows and with twice as many, to which the source grows."""
    figures: dict[str, float] = {"memory_rows": rows}
    for suffix, size in (("5m", rows), ("10m", 2 * rows)):
        tell(f"growing the table to {size:,} rows")
        source.fill(size, indexed=False)
        tell(f"a raw day of {size:,} rows")
        measured = measure("load", Task(source.url, str(folder / "work"), size))
        figures[f"peak_rss_mb_{suffix}"] = measured.peak_rss_mb
        figures[f"load_seconds_{suffix}"] = measured.seconds
    figures["peak_rss_10m_over_5m"] = figures["peak_rss_mb_10m"] / figures["peak_rss_mb_5m"]
    return figures
