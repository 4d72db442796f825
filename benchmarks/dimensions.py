"""A dimension made from nothing, and brought up to one more day of changes."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import measure
from benchmarks.star import add_day, fill
from benchmarks.task import Task
from etl_assets.warehouse.duckdb import DuckDBWarehouse

DAY_SHARE = 0.001
"""How many changes the further day has, of all."""

_CHANGES_A_SECOND, _LEAST_SECONDS = 5_000, 600


def measure_dimensions(folder: Path, changes: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Seconds, CPU seconds and peak MB of both, with `changes` of a tenth as many keys."""
    keys, place = changes // 10, folder / "star"
    place.mkdir(parents=True, exist_ok=True)
    file = place / "warehouse.duckdb"
    tell(f"publishing {changes:,} changes of {keys:,} keys")
    warehouse = DuckDBWarehouse(file)
    fill(warehouse, place / "spool", changes, keys)
    timeout = max(_LEAST_SECONDS, changes / _CHANGES_A_SECOND)
    figures: dict[str, float] = {"dimension_changes": changes, "dimension_keys": keys}
    for name in ("whole", "day"):
        if name == "day":
            add_day(warehouse, place / "spool", round(changes * DAY_SHARE), keys)
        warehouse.close()
        tell(f"the dimension of them: {name}")
        measured = measure("dimension", Task(str(file), str(folder / "work"), 1), {}, timeout)
        figures[f"dimension_{name}_keys"] = measured.rows
        figures[f"dimension_{name}_seconds"] = measured.seconds
        figures[f"dimension_{name}_cpu_seconds"] = measured.cpu_seconds
        figures[f"dimension_{name}_peak_rss_mb"] = measured.peak_rss_mb
    file.unlink()
    figures["dimension_day_over_whole"] = (
        figures["dimension_day_cpu_seconds"] / figures["dimension_whole_cpu_seconds"]
    )
    return figures


def _part(bench: Bench) -> Outcome:
    figures = measure_dimensions(bench.folder, bench.size("changes"), bench.tell)
    rows = [
        (
            told,
            f"{figures[f'dimension_{name}_keys']:,.0f}",
            f"{figures[f'dimension_{name}_seconds']:.2f}",
            f"{figures[f'dimension_{name}_cpu_seconds']:.2f}",
            f"{figures[f'dimension_{name}_peak_rss_mb']:.0f}",
        )
        for name, told in (("whole", "from nothing"), ("day", "one more day of changes"))
    ]
    title = (
        f"A dimension of {figures['dimension_changes']:,.0f} changes of "
        f"{figures['dimension_keys']:,.0f} keys, in DuckDB"
    )
    return Outcome(figures, [Sheet(title, ("", "keys", "seconds", "CPU s", "peak MB"), rows)])


PART = Part("dimensions", "A large dimension", _part)
