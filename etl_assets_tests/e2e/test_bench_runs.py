"""`make bench` runs to its end and writes every figure; how fast anything is, is no test.

Each takes half a minute and more, so `make soak` has them.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.parts import PARTS
from etl_assets_tests.bigquery_server import EmulatedBigQuery

REPOSITORY = Path(__file__).parents[2]


def bench(home: Path, *options: str) -> str:
    """What a quick run prints."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *options],
        cwd=REPOSITORY,
        env={**os.environ, "ETL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a quick run wrote its report and its figures."""
    home = tmp_path_factory.mktemp("bench")
    bench(home)
    return home


@pytest.fixture(scope="module")
def figures(home: Path) -> dict[str, object]:
    """What a quick run measured."""
    return json.loads((home / "bench.json").read_text(encoding="utf-8"))


@pytest.mark.soak
def test_a_part_is_measured_alone_and_held_to_its_bounds(tmp_path: Path) -> None:
    printed = bench(tmp_path, "--only", "imports")
    assert "import of the code location / of its libraries alone" in printed
    assert not (tmp_path / "bench.json").exists(), "it has only some of the figures"
    assert not (tmp_path / "bench").exists()


@pytest.mark.soak
def test_a_quick_bench_writes_every_figure_as_a_number(figures: dict[str, object]) -> None:
    assert {
        "reader_over_copy",
        "load_over_copy",
        "load_over_best_peer",
        "peak_rss_mb_5m",
        "peak_rss_mb_10m",
        "partition_overhead_ms",
        "import_over_bare",
        "command_help_over_bare",
        "command_status_over_bare",
        "command_state_show_over_bare",
        "command_doctor_over_bare",
        "command_sync_idle_over_bare",
        "upsert_over_rows",
        "upsert_over_to_sql",
        "sync_idle_source_ms",
        "sync_over_days_reload",
        "sync_over_table_reload",
        "sync_over_dlt",
        "sync_unchanged_read_over_changed",
        "file_csv_load_over_duckdb",
        "file_csv_load_over_polars",
        "file_csv_load_over_dlt",
        "file_csv_load_over_pandas",
        "file_jsonl_load_over_duckdb",
        "file_parquet_load_over_duckdb",
        "file_csv_peak_rss_2x_over_1x",
        "file_gzip_peak_rss_2x_over_1x",
        "file_keys_plan_cpu_seconds",
        "drop_to_published_seconds",
        "checks_share",
        "scaling_load_seconds_exponent",
        "scaling_load_peak_rss_mb_exponent",
        "dimension_day_over_whole",
        "scd2_ours_seconds",
        "scd2_dlt_scd2_seconds",
        "events_land_over_dlt",
        "year_dagster_partition_ms",
    } <= figures.keys()
    assert all(isinstance(number, int | float) for number in figures.values())


@pytest.mark.soak
def test_it_leaves_one_report_in_two_forms(home: Path) -> None:
    text = (home / "bench" / "report.md").read_text(encoding="utf-8")
    assert [part.title for part in PARTS if f"## {part.title}\n" not in text] == []
    assert "A quick run" in text
    pictures = {path.name for path in (home / "bench" / "report").iterdir()}
    assert pictures == set(re.findall(r"\(report/(\d+\.svg)\)", text))
    html = (home / "bench" / "report.html").read_text(encoding="utf-8")
    assert html.count("<svg") == len(pictures) > 5


@pytest.mark.soak
def test_where_the_emulator_runs_so_does_its_race(
    bigquery_server: EmulatedBigQuery, figures: dict[str, object]
) -> None:
    assert {
        "bigquery_load_over_naive",
        "bigquery_rss_over_naive",
        "bigquery_rss_over_naive_whole",
    } <= figures.keys()
