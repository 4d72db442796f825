"""Our dimension beside dlt's scd2, dbt's snapshot and SQLMesh's SCD_TYPE_2: how long they take.

Whose versions are right is `make compare-scd2`. dbt and SQLMesh are installed below `.venv`, each
apart; one that cannot be installed is left out, and the report says so.
"""

from benchmarks.part import Bench, Chart, Outcome, Part, Point, Sheet
from benchmarks.scd2 import ours
from benchmarks.scd2.environments import NotInstalled
from benchmarks.scd2.peers import PEERS
from benchmarks.scd2.speed import CHANGED, KEYS, batches

Steps = tuple[list[tuple[float, float]], int]


def _measure(bench: Bench) -> Outcome:
    bench.tell(f"our dimension of {KEYS:,} keys")
    measured: dict[str, Steps] = {"ours": ours.steps(batches(), bench.folder)}
    missing = []
    for peer in PEERS:
        bench.tell(f"{peer.title} of {KEYS:,} keys")
        try:
            measured[peer.title] = peer.speed(bench.folder)
        except NotInstalled as told:
            missing.append(f"{peer.title} is left out, it cannot be installed: {told}")
    return _outcome(measured, " ".join(missing))


def _outcome(measured: dict[str, Steps], note: str) -> Outcome:
    rows, points, figures = [], [], {}
    for title, (steps, versions) in measured.items():
        (first, first_cpu), (second, second_cpu) = steps
        cells = (f"{first:.2f}", f"{first_cpu:.2f}", f"{second:.2f}", f"{second_cpu:.2f}")
        rows.append((title, *cells, f"{versions:,}"))
        points += [Point(f"{title}, all keys", first), Point(f"{title}, the changed", second)]
        name = title.replace(" ", "_").lower()
        figures[f"scd2_{name}_seconds"] = first
        figures[f"scd2_{name}_cpu_seconds"] = first_cpu
        figures[f"scd2_{name}_changed_seconds"] = second
        figures[f"scd2_{name}_changed_cpu_seconds"] = second_cpu
    others = [name for name in measured if name != "ours"]
    for when, step in (("", 0), ("_changed", 1)):
        if others:
            best = min(measured[name][0][step][0] for name in others)
            figures[f"scd2{when}_over_best_peer"] = measured["ours"][0][step][0] / best
    title = f"Versions of {KEYS:,} keys, then of {CHANGED:,} of them that changed"
    head = ("", "seconds", "CPU s", "seconds, changed", "CPU s, changed", "versions")
    return Outcome(
        figures, [Sheet(title, head, rows, note)], [Chart("bars", title, "", "seconds", points)]
    )


PART = Part("dimension-peers", "Histories beside dlt, dbt and SQLMesh", _measure)
