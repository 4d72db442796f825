"""Many keys in one prefix of an S3: what listing and planning cost beside the server's own time.

The server is the tests' moto, which takes longer for a page the more keys there are: the same pages
are asked for by bare HTTP first. The server is another process, so that waiting for it is no CPU
of ours; on a busy machine the seconds of two listings say little. Then the same listing is looked
at by the sensor, with every day published of it: it must ask for no run and write nothing. The
work is `work/file_keys.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import measure
from benchmarks.task import Task
from etl_assets_tests.s3_server import start_s3

BELOW = "orders/"
_SECONDS_A_KEY = 0.05  # of moto on a busy machine, all listings together
_LEAST_SECONDS = 120


def days_of(keys: int) -> int:
    """How many days the keys are spread over."""
    return max(1, min(1000, keys // 100))


def measure_file_keys(folder: Path, keys: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Seconds and CPU seconds of each listing, and what it was good for."""
    tell(f"filling an S3 with {keys:,} keys")
    patience = _LEAST_SECONDS + keys * _SECONDS_A_KEY
    server = start_s3(folder / "s3.log", keys, days_of(keys), patience)
    try:
        tell(f"listing and planning {keys:,} keys")
        told = folder / "file_keys.json"
        task = Task(server.host, str(folder / "work"), keys)
        measure("file_keys", task, {"BENCH_FIGURES": str(told)}, timeout=patience)
    finally:
        server.stop()
    figures: dict[str, float] = json.loads(told.read_text(encoding="utf-8"))
    return figures


def _part(bench: Bench) -> Outcome:
    figures = measure_file_keys(bench.folder, bench.size("file-keys"), bench.tell)
    rows = [
        (
            title,
            f"{figures[f'file_keys_{name}_seconds']:.2f}",
            f"{figures[f'file_keys_{name}_cpu_seconds']:.2f}",
        )
        for name, title in (
            ("bare", "its pages by bare HTTP: moto's own time"),
            ("plan", "listed and planned, every object new"),
            ("unchanged", "a tick of the sensor, every object known"),
        )
    ]
    title = f"{figures['file_keys']:,.0f} keys on an S3"
    return Outcome(figures, [Sheet(title, ("", "seconds", "our CPU"), rows)])


PART = Part("file-keys", "Many objects in a bucket", _part)
