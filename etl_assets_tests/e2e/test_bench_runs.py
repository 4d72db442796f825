"""`make bench` runs to its end and writes every figure; how fast anything is, is no test."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_a_quick_bench_writes_every_figure_as_a_number(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=REPOSITORY,
        env={**os.environ, "ETL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert {
        "reader_over_copy",
        "load_over_copy",
        "load_over_best_peer",
        "peak_rss_mb_5m",
        "peak_rss_mb_10m",
        "partition_overhead_ms",
        "import_over_bare",
    } <= figures.keys()
    assert all(isinstance(number, int | float) for number in figures.values())
