"""What a part of the bench is: what it is given, and what it gives back. Data only.

How sheets and charts are shown is `report_console.py`, `report_markdown.py` and `report_html.py`;
what is measured is in the parts' own modules, which `parts.py` lists.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.runner import Contender
from benchmarks.source import Source
from benchmarks.task import Measured


@dataclass(frozen=True)
class Bench:
    """What a part is given: the source, a folder of its own, the sizes, and whom to tell."""

    source: Source
    folder: Path
    sizes: Mapping[str, int]
    tell: Callable[[str], None]
    quick: bool = False
    full: bool = False

    def size(self, name: str) -> int:
        """The size of that name (`sizes.py`)."""
        return self.sizes[name]


@dataclass(frozen=True)
class Sheet:
    """A table of the report: its cells as text, the first column the names of the rows."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Point:
    """A bar, with its name as `x`, or a point of the line `series`."""

    x: str | float
    y: float
    series: str = ""


@dataclass(frozen=True)
class Chart:
    """A plot of the report. Lines have logarithmic axes; bars go from left to right."""

    kind: Literal["bars", "lines"]
    title: str
    x: str
    y: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Outcome:
    """What was measured: figures by name, and how they are shown."""

    figures: Mapping[str, float]
    sheets: Sequence[Sheet] = ()
    charts: Sequence[Chart] = ()


@dataclass(frozen=True)
class Part:
    """A part of the bench: `measure` does all of it; `title` heads its section of the report."""

    name: str
    title: str
    measure: Callable[[Bench], Outcome] = field(repr=False)


def race_outcome(
    figures: Mapping[str, float],
    medians: Mapping[str, Measured],
    race: Sequence[Contender],
    what: str,
    unit: str,
) -> Outcome:
    """A race as a sheet and a chart: a line a contender; the first is the 1.0, `unit` its name."""
    limit = medians[race[0].name]
    rows, points = [], []
    for contender in race:
        measured = medians[contender.name]
        name = f"{contender.title}{' (once)' if contender.once else ''}"
        ratio = measured.seconds / limit.seconds
        points.append(Point(name, ratio))
        rows.append(
            (
                name,
                f"{ratio:.2f}",
                f"{measured.seconds:.2f}",
                f"{measured.cpu_seconds:.2f}",
                f"{measured.rows / measured.seconds:,.0f}",
                f"{measured.peak_rss_mb:,.0f}",
            )
        )
    title = f"{limit.rows:,} {what}"
    head = ("", f"x {unit}", "seconds", "CPU s", "rows/s", "peak MB")
    chart = Chart("bars", title, "", f"seconds, in those of {race[0].title}", points)
    return Outcome(figures, [Sheet(title, head, rows)], [chart])
