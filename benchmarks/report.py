"""The report of a bench: what was measured, where, and with which sizes.

Its forms are `report_markdown.py` and `report_html.py`; both are made of it alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bounds import bounds_sheet
from benchmarks.part import Outcome, Part, Sheet


@dataclass
class Report:
    """The outcomes of the parts in their order, each with the seconds that it took."""

    environment: Mapping[str, str]
    sizes: Mapping[str, int]
    quick: bool
    outcomes: dict[Part, Outcome] = field(default_factory=dict)
    seconds: dict[Part, float] = field(default_factory=dict)
    loads: dict[Part, float] = field(default_factory=dict)

    def add(self, part: Part, outcome: Outcome, seconds: float, load: float) -> None:
        """A part that was measured; `load` is the machine's of the minute before it."""
        self.outcomes[part] = outcome
        self.seconds[part], self.loads[part] = seconds, load

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
        """How long each part took, and the load of the machine before it."""
        rows = [
            (part.title, f"{seconds:.0f}", f"{self.loads[part]:.2f}")
            for part, seconds in self.seconds.items()
        ]
        return Sheet("How long the parts took", ("", "seconds", "load before"), rows)


def write_figures(path: Path, figures: Mapping[str, float]) -> None:
    """A flat JSON object, figure to number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
