"""What our code location adds to the imports that any code location of this kind has."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.part import Bench, Outcome, Part, Sheet

BARE = "import dagster, polars, pandera.polars"
OURS = "import etl_assets.definitions"


def measure_imports(repeats: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Median seconds of `python -c` with each of the two, interleaved.

    More than one repeat is preceded by a run that warms up the disk's cache.
    """
    seconds: dict[str, list[float]] = {BARE: [], OURS: []}
    first = 0 if repeats > 1 else 1
    for turn in range(first, repeats + 1):
        for statement, measured in seconds.items():
            tell(f"{statement}, {turn} of {repeats}")
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", statement], env=os.environ, check=True
            )
            if turn:
                measured.append(time.perf_counter() - began)
    bare, ours = (statistics.median(seconds[statement]) for statement in (BARE, OURS))
    return {
        "import_over_bare": ours / bare,
        "import_seconds": ours,
        "import_bare_seconds": bare,
    }


def _part(bench: Bench) -> Outcome:
    figures = measure_imports(1 if bench.quick else 5, bench.tell)
    bare, ours = figures["import_bare_seconds"], figures["import_seconds"]
    rows = [
        ("Dagster, Polars and Pandera alone", f"{bare:.2f}", "1.00"),
        ("the code location", f"{ours:.2f}", f"{ours / bare:.2f}"),
    ]
    return Outcome(figures, [Sheet("Imports", ("", "seconds", "x bare"), rows)])


PART = Part("imports", "Start-up: imports", _part)
