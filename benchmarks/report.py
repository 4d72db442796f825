"""The report of a bench: what was measured, where, and with which sizes.

Its forms are `report_markdown.py` and `report_html.py`; both are made of it alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bounds import bounds_sheet
from benchmarks.part import Outcome, Part, Sheet


@dataclass(frozen=True)
class Taken:
    """What was measured of a part, the seconds that it took, and when, of which commit and beside
    which load of the machine (of the minute before it)."""

    outcome: Outcome
    seconds: float
    load: float
    date: str
    commit: str


@dataclass
class Report:
    """The parts in their order, with what was measured of each."""

    environment: Mapping[str, str]
    sizes: Mapping[str, int]
    quick: bool
    taken: Mapping[Part, Taken] = field(default_factory=dict)

    @property
    def outcomes(self) -> dict[Part, Outcome]:
        """What was measured, by part."""
        return {part: taken.outcome for part, taken in self.taken.items()}

    @property
    def figures(self) -> dict[str, float]:
        """Every figure by its name."""
        return {name: n for one in self.outcomes.values() for name, n in one.figures.items()}

    def bounds(self) -> Sheet:
        """The bounds, as far as they were measured."""
        return bounds_sheet(self.figures)

    def machine(self) -> Sheet:
        """Where it was measured, and how large the parts were."""
        sizes = ", ".join(f"{name} {number:,}" for name, number in self.sizes.items())
        return Sheet("Where and how", ("", ""), [*self.environment.items(), ("sizes", sizes)])

    def parts(self) -> Sheet:
        """When each part was measured and of which commit, the load before it, how long it took."""
        rows = [
            (part.title, f"{one.seconds:.0f}", f"{one.load:.2f}", one.date, one.commit)
            for part, one in self.taken.items()
        ]
        head = ("", "seconds", "load before", "measured", "commit")
        return Sheet("How long the parts took", head, rows)


def write_figures(path: Path, figures: Mapping[str, float]) -> None:
    """A flat JSON object, figure to number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
