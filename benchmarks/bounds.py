"""The bounds that figures are held to. A run ends well whatever they say."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.part import Sheet


@dataclass(frozen=True)
class Bound:
    """The most that a figure may be."""

    figure: str
    most: float
    title: str


BOUNDS = (
    Bound("reader_over_copy", 2.0, "our reader / binary COPY"),
    Bound("load_over_copy", 2.7, "our raw load / binary COPY"),
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


def bounds_sheet(figures: Mapping[str, float]) -> Sheet:
    """Which bounds hold; figures that were not measured are left out."""
    rows = []
    for bound in BOUNDS:
        if bound.figure in figures:
            measured = figures[bound.figure]
            verdict = "holds" if measured <= bound.most else "does not hold"
            rows.append((bound.title, f"{measured:.3g}", f"{bound.most:g}", verdict))
    return Sheet("Bounds", ("", "measured", "at most", ""), rows)
