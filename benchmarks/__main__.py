"""`python -m benchmarks`: everything side by side in one run, as ratios. `make bench` calls it.

Timings on a busy machine are no test: the run ends well whatever the bounds say. Each measurement
has a process of its own; this one starts them and stays small.
"""

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.status import Status

from benchmarks.bigquery import RACE, bigquery_figures, measure_bigquery
from benchmarks.commands import measure_commands
from benchmarks.dimensions import measure_dimensions, print_dimensions
from benchmarks.drops import measure_drops
from benchmarks.event_load import ROWS_SHARE, event_figures, measure_events
from benchmarks.file_keys import measure_file_keys, print_file_keys
from benchmarks.file_memory import measure_file_memory
from benchmarks.files import FORMATS, file_figures, measure_files
from benchmarks.imports import measure_imports
from benchmarks.large_row import measure_large_row
from benchmarks.memory import measure_memory
from benchmarks.partitions import measure_partitions
from benchmarks.report import print_bounds, print_race, write_figures
from benchmarks.runner import MeasurementFailed
from benchmarks.source import bench_source
from benchmarks.speed import NAIVE_SHARE, measure_speed, speed_figures
from benchmarks.syncs import measure_syncs, print_syncs
from benchmarks.upserts import MULTI_SHARE, measure_upserts, upsert_figures
from etl_assets.config import read_settings
from etl_assets_tests.bigquery_environment import NoInterpreter

PARTS = (
    *("speed", "memory", "imports", "commands", "partitions", "postgres", "bigquery", "sync"),
    *("files", "file-memory", "file-keys", "drops", "events", "dimensions", "large-row"),
)
_DISK_BYTES_A_ROW = 600


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", default=2_000_000, show_default=True, help="Rows of the speed race.")
@click.option(
    "--memory-rows", default=5_000_000, show_default=True, help="And twice as many after that."
)
@click.option("--bigquery-rows", default=1_000_000, show_default=True, help="Rows into BigQuery.")
@click.option("--upsert-rows", default=200_000, show_default=True, help="Rows into PostgreSQL.")
@click.option("--sync-rows", default=10_000_000, show_default=True, help="Rows of a synced table.")
@click.option("--file-rows", default=2_000_000, show_default=True, help="Rows of a day of files.")
@click.option(
    "--file-memory-bytes",
    default=100_000_000,
    show_default=True,
    help="Of a CSV and a gzip; and twice as many after that.",
)
@click.option("--file-keys", default=100_000, show_default=True, help="Objects in one prefix.")
@click.option("--event-rows", default=1_000_000, show_default=True, help="Events that arrive.")
@click.option("--changes", default=10_000_000, show_default=True, help="Changes of a dimension.")
@click.option("--large-row-bytes", default=60_000_000, show_default=True, help="Of one JSON.")
@click.option("--repeats", default=3, show_default=True, help="Runs that a median is made of.")
@click.option("--days", default=30, show_default=True, help="Days of the demo shop to backfill.")
@click.option("--full", is_flag=True, help="Let the naive way take all rows.")
@click.option("--quick", is_flag=True, help="Everything once and small: proof that it runs.")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Writes no bench.json.")
def main(
    rows: int,
    memory_rows: int,
    bigquery_rows: int,
    upsert_rows: int,
    sync_rows: int,
    file_rows: int,
    file_memory_bytes: int,
    file_keys: int,
    event_rows: int,
    changes: int,
    large_row_bytes: int,
    repeats: int,
    days: int,
    full: bool,
    quick: bool,
    only: tuple[str, ...],
) -> None:
    """Measure the platform against PostgreSQL's own COPY, its peers, and its own bounds."""
    if quick:
        rows, memory_rows, repeats, days = 20_000, 50_000, 1, 1
        bigquery_rows, upsert_rows, sync_rows = 20_000, 2_000, 20_000
        file_rows, file_memory_bytes, file_keys = 20_000, 2_000_000, 1_000
        event_rows, changes, large_row_bytes = 2_000, 20_000, 10_000_000
    console = Console(width=110)
    parts = only or PARTS
    figures: dict[str, float] = {}
    room = shutil.disk_usage(tempfile.gettempdir()).free
    if room < (needed := _DISK_BYTES_A_ROW * max(rows, 2 * memory_rows, sync_rows)):
        sys.exit(f"{tempfile.gettempdir()} has {room >> 20} MiB of room; {needed >> 20} are needed")
    with console.status("starting a PostgreSQL") as status, bench_source() as (source, top):
        tell, place = _teller(status), _places(top)
        if "imports" in parts:
            figures |= measure_imports(1 if quick else 5, tell)
        if "commands" in parts:
            figures |= measure_commands(source, place("commands"), 1 if quick else 3, tell)
        if "partitions" in parts:
            figures |= measure_partitions(source, place("partitions"), days, repeats, tell)
        if "speed" in parts:
            tell(f"making {rows:,} rows")
            source.fill(rows, indexed=True)
            share = 1.0 if full or quick else NAIVE_SHARE
            medians, race = measure_speed(source, place("speed"), repeats, share, tell)
            figures |= speed_figures(medians)
            print_race(console, medians, race, "rows of 11 columns, all of one day", "COPY")
        if "postgres" in parts:
            share = 1.0 if quick else MULTI_SHARE
            medians, race = measure_upserts(
                source, place("postgres"), upsert_rows, repeats, share, tell
            )
            figures |= upsert_figures(medians)
            print_race(
                console,
                medians,
                race,
                "rows of 11 columns, half of them there, into PostgreSQL",
                "ours",
            )
        if "bigquery" in parts:
            try:
                medians = measure_bigquery(place("bigquery"), bigquery_rows, repeats, tell)
                figures |= bigquery_figures(medians)
                print_race(
                    console, medians, RACE, "rows of 11 columns into the BigQuery emulator", "ours"
                )
            except NoInterpreter as missing:
                console.print(f"BigQuery is not measured: {missing}", highlight=False)
        if "sync" in parts:
            synced = measure_syncs(source, place("sync"), sync_rows, repeats, tell)
            figures |= synced
            print_syncs(console, synced)
        if "memory" in parts:
            figures |= measure_memory(source, place("memory"), memory_rows, tell)
        if "large-row" in parts:
            figures |= measure_large_row(source, place("large-row"), large_row_bytes, tell)
        if "files" in parts:
            for suffix, medians, race in measure_files(place("files"), file_rows, repeats, tell):
                figures |= file_figures(suffix, medians)
                print_race(
                    console,
                    medians,
                    race,
                    f"rows of 11 columns, {FORMATS[suffix]} into DuckDB",
                    "DuckDB",
                )
        if "file-memory" in parts:
            figures |= measure_file_memory(place("file-memory"), file_memory_bytes, tell)
        if "file-keys" in parts:
            listed = measure_file_keys(place("file-keys"), file_keys, tell)
            figures |= listed
            print_file_keys(console, listed)
        if "drops" in parts:
            figures |= measure_drops(source, place("drops"), repeats, tell)
        if "events" in parts:
            share = 1.0 if quick else ROWS_SHARE
            medians, race = measure_events(
                source, place("events"), event_rows, repeats, share, tell
            )
            figures |= event_figures(medians)
            print_race(console, medians, race, "events into PostgreSQL", "our landing")
        if "dimensions" in parts:
            made = measure_dimensions(place("dimensions"), changes, tell)
            figures |= made
            print_dimensions(console, made)
    print_bounds(console, figures)
    if not only:
        path = read_settings().home / "bench.json"
        write_figures(path, figures)
        console.print(f"Written to {path}.", highlight=False, soft_wrap=True)


def _teller(status: Status) -> Callable[[str], None]:
    return lambda what: status.update(what)


def _places(folder: Path) -> Callable[[str], Path]:
    """A folder for each part, so that what one leaves is not in the way of another."""

    def place(part: str) -> Path:
        (folder / "parts" / part).mkdir(parents=True)
        return folder / "parts" / part

    return place


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)  # so that the server and its folder go as well


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        main()
    except MeasurementFailed as failure:
        sys.exit(f"A measurement failed: {failure}")
