"""How time and memory grow with the rows of a day: exponents of a power law, fitted to a table that
grows step by step.

An exponent of 1 is time in proportion to the rows; less is a fixed cost that more rows share. Both
stand in the report: over all sizes, and from a million rows on.
"""

import math
from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from benchmarks.part import Bench, Chart, Outcome, Part, Point, Sheet
from benchmarks.runner import measure
from benchmarks.source import Source
from benchmarks.task import Measured, Task

DATABASE = "scaling"
LARGE = 1_000_000
_STEPS = (1, 3)  # 1e5, 3e5, 1e6, 3e6, …
_CONTENDERS = {
    "binary_copy": "binary COPY, thrown away",
    "reader": "our reader, thrown away",
    "load": "our raw load into DuckDB",
}


def sizes_up_to(most: int) -> list[int]:
    """Two sizes for each power of ten from 1e5 (or a tenth of the most) on, and the most."""
    first = min(5, math.floor(math.log10(most)) - 1)
    steps = [n * 10**power for power in range(first, 12) for n in _STEPS]
    return [size for size in steps if size < most] + [most]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the least-squares line through the logarithms of (rows, measured)."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    square: float = sum((x - mean_x) ** 2 for x, _ in logs)
    product: float = sum((x - mean_x) * (y - mean_y) for x, y in logs)
    return product / square


def _measure(bench: Bench) -> Outcome:
    bench.source.server.ensure_database(DATABASE)
    source = Source(bench.source.server, database=DATABASE)
    measured: dict[str, dict[int, Measured]] = {work: {} for work in _CONTENDERS}
    for rows in sizes_up_to(bench.size("scaling-rows")):
        bench.tell(f"growing a table to {rows:,} rows")
        source.fill(rows, indexed=False)
        for work, title in _CONTENDERS.items():
            bench.tell(f"{title} of {rows:,} rows")
            task = Task(source.url, str(bench.folder / "work"), rows)
            measured[work][rows] = measure(work, task)
    with psycopg.connect(bench.source.server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(DATABASE)))
    return _outcome(measured)


def _outcome(measured: Mapping[str, Mapping[int, Measured]]) -> Outcome:
    figures: dict[str, float] = {}
    exponents = []
    for work, title in _CONTENDERS.items():
        found = measured[work]
        cells = []
        for name, value in (("seconds", _seconds), ("cpu_seconds", _cpu), ("peak_rss_mb", _peak)):
            points = [(float(rows), value(one)) for rows, one in found.items()]
            large = [point for point in points if point[0] >= LARGE]
            figures[f"scaling_{work}_{name}_exponent"] = exponent(points)
            cells.append(f"{exponent(points):.2f}")
            if len(large) > 1:
                figures[f"scaling_{work}_{name}_exponent_large"] = exponent(large)
            cells.append(f"{exponent(large):.2f}" if len(large) > 1 else "")
        exponents.append((title, *cells))
    head = (*("", "seconds", "from 1e6", "CPU s", "from 1e6", "peak MB", "from 1e6"),)
    rows_of = [
        (
            f"{rows:,} rows, {_CONTENDERS[work]}",
            f"{one.seconds:.2f}",
            f"{one.cpu_seconds:.2f}",
            f"{one.rows / one.seconds:,.0f}",
            f"{one.peak_rss_mb:,.0f}",
        )
        for rows in measured["load"]
        for work in _CONTENDERS
        for one in [measured[work][rows]]
    ]
    sheets = [
        Sheet("Exponents of the rows", head, exponents),
        Sheet("What they are fitted to", ("", "seconds", "CPU s", "rows/s", "peak MB"), rows_of),
    ]
    charts = [
        _chart(measured, "Seconds by rows", "seconds", "seconds"),
        _chart(measured, "Peak memory by rows", "MB", "peak_rss_mb"),
    ]
    return Outcome(figures, sheets, charts)


def _chart(
    measured: Mapping[str, Mapping[int, Measured]], title: str, unit: str, field: str
) -> Chart:
    points = [
        Point(float(rows), getattr(one, field), _CONTENDERS[work])
        for work, found in measured.items()
        for rows, one in found.items()
    ]
    return Chart("lines", title, "rows", unit, points)


def _seconds(one: Measured) -> float:
    return one.seconds


def _cpu(one: Measured) -> float:
    return max(one.cpu_seconds, 0.01)  # the clock's tick: of a tenth of it there is no logarithm


def _peak(one: Measured) -> float:
    return one.peak_rss_mb


PART = Part("scaling", "How it grows with the rows", _measure)
