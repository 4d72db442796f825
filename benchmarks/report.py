"""What is printed at the end, the bounds that figures are held to, and `bench.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.runner import Contender
from benchmarks.task import Measured


@dataclass(frozen=True)
class Bound:
    """The most that a figure may be."""

    figure: str
    most: float
    title: str


BOUNDS = (
    Bound("reader_over_copy", 1.75, "our reader / binary COPY"),
    Bound("load_over_copy", 3.6, "our raw load / binary COPY"),
    Bound("load_over_best_dlt", 1.0, "our raw load / the faster dlt"),
    Bound("load_over_best_peer", 1.0, "our raw load / the fastest of all others, unchecked too"),
    Bound("peak_rss_mb_5m", 900, "peak memory of a raw day of 5,000,000 rows, MB"),
    Bound("peak_rss_10m_over_5m", 1.1, "peak memory with twice the rows / that"),
    Bound("large_row_peak_rss_mb", 900, "peak memory of a day with a row of 60 MB, MB"),
    Bound("partition_overhead_ms", 50, "what Dagster adds to a table partition, ms"),
    Bound("import_over_bare", 1.3, "import of the code location / of its libraries alone"),
    Bound("command_help_over_bare", 0.15, "CPU of `etl-assets --help` / of the libraries' imports"),
    Bound("command_status_over_bare", 0.5, "CPU of `status` / the same"),
    Bound("command_state_show_over_bare", 0.5, "CPU of `state show` / the same"),
    Bound("command_doctor_over_bare", 0.5, "CPU of `doctor` of databases and files / the same"),
    Bound("command_doctor_http_over_bare", 0.75, "CPU of `doctor`, HTTP APIs too / the same"),
    Bound("command_sync_idle_over_bare", 1.5, "CPU of a `sync` with nothing to do / the same"),
    Bound("upsert_over_rows", 1.0, "our PostgreSQL publication / an upsert row by row"),
    Bound("sync_idle_source_ms", 150, "source time of a sync that finds nothing, ms"),
    Bound("sync_over_days_reload", 1.0, "our sync of 1,000 rows / a re-load of their three days"),
    Bound("sync_over_table_reload", 0.1, "the same / a re-load of the table"),
    Bound("sync_unchanged_read_over_changed", 1.0, "rows read, few ever updated / rows changed"),
    Bound("sync_over_dlt", 1.0, "the same / dlt's incremental with merge"),
    Bound("file_csv_load_over_duckdb", 2.5, "our load of a CSV / DuckDB's own read_csv, unchecked"),
    Bound("file_csv_load_over_dlt", 1.0, "the same / dlt's filesystem source"),
    Bound("file_csv_load_over_pandas", 1.0, "the same / pandas"),
    Bound("file_csv_1x_peak_rss_mb", 900, "peak memory of a day of one large CSV, MB"),
    Bound("file_csv_peak_rss_2x_over_1x", 1.1, "peak memory with a file twice as large / that"),
    Bound("file_gzip_1x_peak_rss_mb", 900, "peak memory of a day of one large gzip, MB"),
    Bound("file_gzip_peak_rss_2x_over_1x", 1.1, "peak memory with a file twice as large / that"),
    Bound("file_keys_plan_cpu_seconds", 5, "listing and planning 100,000 keys, our CPU seconds"),
    Bound("file_keys_runs", 0, "runs and writes of a tick when nothing has changed"),
    Bound("drop_to_published_seconds", 60, "from a dropped file to its published day, s"),
    Bound("events_land_over_many", 1.0, "our landing of events / executemany"),
    Bound("events_land_over_dlt", 1.0, "our landing of events / dlt's merge"),
    Bound("dimension_whole_peak_rss_mb", 900, "peak memory of a dimension made from nothing, MB"),
    Bound("dimension_day_over_whole", 0.05, "a dimension's further day of changes / all of it"),
    Bound("bigquery_load_over_naive", 1.0, "our BigQuery publication / the naive way's appends"),
    Bound("bigquery_rss_over_naive_whole", 0.8, "its peak memory / of pandas with all rows"),
)


def print_race(
    console: Console,
    medians: Mapping[str, Measured],
    race: Sequence[Contender],
    what: str,
    unit: str,
) -> None:
    """A line a contender; the first is the 1.0, and `unit` its name."""
    limit = medians[race[0].name]
    table = Table(
        title=f"{limit.rows:,} {what}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("")
    for name in (f"x {unit}", "seconds", "CPU s", "rows/s", "peak MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for contender in race:
        measured = medians[contender.name]
        table.add_row(
            f"{contender.title}{' (once)' if contender.once else ''}",
            f"{measured.seconds / limit.seconds:.2f}",
            f"{measured.seconds:.2f}",
            f"{measured.cpu_seconds:.2f}",
            f"{measured.rows / measured.seconds:,.0f}",
            f"{measured.peak_rss_mb:,.0f}",
        )
    console.print(table)


def print_bounds(console: Console, figures: Mapping[str, float]) -> None:
    """Which bounds hold; figures that were not measured are left out."""
    table = Table(title="Bounds", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("at most", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for bound in BOUNDS:
        if bound.figure in figures:
            holds = figures[bound.figure] <= bound.most
            table.add_row(
                bound.title,
                f"{figures[bound.figure]:.3g}",
                f"{bound.most:g}",
                "[green]holds[/]" if holds else "[red]does not hold[/]",
            )
    console.print(table)


def write_figures(path: Path, figures: Mapping[str, float]) -> None:
    """A flat JSON object, figure to number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
