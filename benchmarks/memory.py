"""The peak memory of a process that loads one raw day whole, and of one that loads two of it."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.part import Bench, Outcome, Part, Sheet
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


def _part(bench: Bench) -> Outcome:
    figures = measure_memory(bench.source, bench.folder, bench.size("memory-rows"), bench.tell)
    rows = [
        (
            f"{times * figures['memory_rows']:,.0f} rows",
            f"{figures[f'load_seconds_{name}']:.2f}",
            f"{figures[f'peak_rss_mb_{name}']:,.0f}",
        )
        for times, name in ((1, "5m"), (2, "10m"))
    ]
    return Outcome(figures, [Sheet("A raw day", ("", "seconds", "peak MB"), rows)])


PART = Part("memory", "Memory of a raw load", _part)
