"""The peak memory of a process that loads a day of one large CSV file, and of one twice as large.

Plain, and packed by gzip; sizes are those of the plain text. `--file-memory-bytes 2000000000` has
the sizes of the bounds, the default run a small share of them.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks.file_content import CSV, GZIP, file_at, write_text
from benchmarks.orders import order_frames
from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import measure
from benchmarks.task import Task

_ENDLESS = 1_000_000_000  # rows; the size ends it before
_BYTES_A_SECOND = 500_000  # on a machine that is busy with other things, too
_LEAST_SECONDS = 600


def measure_file_memory(folder: Path, size: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Peak resident MB, seconds and CPU seconds with `size` bytes and with twice as many."""
    figures: dict[str, float] = {"file_memory_bytes": size}
    drop = folder / "large"
    for suffix, kind in ((CSV, "csv"), (GZIP, "gzip")):
        path = file_at(drop, suffix)
        for times in (1, 2):
            tell(f"writing {times * size:,} bytes of {suffix}")
            rows = write_text(order_frames(_ENDLESS), path, times * size)
            tell(f"a day of a file of {times * size:,} bytes, {suffix}")
            task = Task(str(drop), str(folder / "work"), rows, suffix)
            timeout = max(_LEAST_SECONDS, times * size / _BYTES_A_SECOND)
            measured = measure("file_load", task, timeout=timeout)
            path.unlink()
            name = f"file_{kind}_{times}x"
            figures[f"{name}_rows"] = rows
            figures[f"{name}_peak_rss_mb"] = measured.peak_rss_mb
            figures[f"{name}_seconds"] = measured.seconds
            figures[f"{name}_cpu_seconds"] = measured.cpu_seconds
        figures[f"file_{kind}_peak_rss_2x_over_1x"] = (
            figures[f"file_{kind}_2x_peak_rss_mb"] / figures[f"file_{kind}_1x_peak_rss_mb"]
        )
    return figures


def _part(bench: Bench) -> Outcome:
    size = bench.size("file-memory-bytes")
    figures = measure_file_memory(bench.folder, size, bench.tell)
    rows = [
        (
            f"{times * size:,} bytes as {kind}",
            f"{figures[f'file_{kind}_{times}x_rows']:,.0f}",
            f"{figures[f'file_{kind}_{times}x_seconds']:.2f}",
            f"{figures[f'file_{kind}_{times}x_cpu_seconds']:.2f}",
            f"{figures[f'file_{kind}_{times}x_peak_rss_mb']:,.0f}",
        )
        for kind in ("csv", "gzip")
        for times in (1, 2)
    ]
    head = ("", "rows", "seconds", "CPU s", "peak MB")
    return Outcome(figures, [Sheet("A day of one large file", head, rows)])


PART = Part("file-memory", "Memory of a large file", _part)
