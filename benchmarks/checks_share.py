"""What part of a raw load the checks are: their CPU seconds beside those of the whole load."""

import json
import statistics

from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import measure
from benchmarks.task import Measured, Task


def _measure(bench: Bench) -> Outcome:
    rows = bench.size("rows")
    bench.tell(f"making {rows:,} rows")
    bench.source.fill(rows, indexed=True)
    told = bench.folder / "checks.json"
    checks, loads = [], list[Measured]()
    for turn in range(repeats := bench.size("repeats")):
        bench.tell(f"the checks of {rows:,} rows alone, {turn + 1} of {repeats}")
        task = Task(bench.source.url, str(bench.folder / "work"), rows)
        measure("checks", task, {"BENCH_FIGURES": str(told)})
        checks.append(json.loads(told.read_text(encoding="utf-8")))
        loads.append(measure("load", task))
    cpu = statistics.median(one["checks_cpu_seconds"] for one in checks)
    load = statistics.median(one.cpu_seconds for one in loads)
    figures = {
        "checks_rows": rows,
        "checks_cpu_seconds": cpu,
        "checks_seconds": statistics.median(one["checks_seconds"] for one in checks),
        "checks_load_cpu_seconds": load,
        "checks_share": cpu / load,
    }
    sheet = Sheet(
        f"{rows:,} rows of 11 columns with 11 rules",
        ("", "CPU s", "share"),
        [
            ("checks alone, of frames in memory", f"{cpu:.2f}", f"{cpu / load:.0%}"),
            ("the whole raw load", f"{load:.2f}", "100%"),
        ],
    )
    return Outcome(figures, [sheet])


PART = Part("checks", "The checks' share of a load", _measure)
