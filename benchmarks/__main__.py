"""`python -m benchmarks`: everything side by side in one run, as ratios. `make bench` calls it.

Timings on a busy machine are no test: the run ends well whatever the bounds say. Each measurement
has a process of its own; this one starts them and stays small. What is measured is `parts.py`, how
much of it `sizes.py`.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import click
from rich.console import Console

from benchmarks.environment import MINUTE, environment
from benchmarks.kept import conditions, keep, kept
from benchmarks.part import Bench, Part
from benchmarks.parts import PARTS
from benchmarks.published import publish
from benchmarks.report import Report, Taken, write_figures
from benchmarks.report_console import print_sheet
from benchmarks.runner import MeasurementFailed
from benchmarks.sizes import BYTES_A_ROW, SIZES, most_rows
from benchmarks.source import bench_source
from etl_assets.config import read_settings

_NAMES = tuple(part.name for part in PARTS)


def _sized(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each size."""
    for size in reversed(SIZES):
        command = click.option(
            f"--{size.name}", type=click.IntRange(1), help=f"{size.help} Default: {size.whole:,}."
        )(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@_sized
@click.option("--full", is_flag=True, help="Let the naive way take all rows.")
@click.option("--quick", is_flag=True, help="Everything once and small: proof that it runs.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(_NAMES),
    help="This part; the others are reported as they were measured last.",
)
@click.option("--publish", "page", is_flag=True, help="Write docs/performance.md as well.")
def main(*, full: bool, quick: bool, only: tuple[str, ...], page: bool, **given: Any) -> None:
    """Measure the platform against PostgreSQL's own COPY, its peers, and its own bounds."""
    if page and quick:
        raise click.UsageError("--publish needs the whole bench, without --quick.")
    sizes = {
        size.name: given[size.name.replace("-", "_")] or (size.quick if quick else size.whole)
        for size in SIZES
    }
    parts = [part for part in PARTS if part.name in (only or _NAMES)]
    _need_room(sizes, parts)
    console, home = Console(width=110), read_settings().home
    with console.status("starting a PostgreSQL") as status, bench_source() as (source, top):
        surroundings = environment(source.url)
        under = conditions(surroundings, sizes)
        before = {} if quick else kept(home / "bench" / "parts", PARTS, under)
        missing = [part.name for part in PARTS if part not in {*parts, *before}]
        if page and missing:
            raise click.UsageError(
                "--publish needs every part, measured on this machine with these versions and "
                f"sizes. Not measured yet: {', '.join(missing)}."
            )
        for part in parts:
            bench = Bench(source, top / "parts" / part.name, sizes, status.update, quick, full)
            before[part] = taken = _take(part, bench, surroundings["commit"])
            if not quick:
                keep(home / "bench" / "parts", part, taken, under)
            for sheet in taken.outcome.sheets:
                print_sheet(console, sheet)
    report = Report(surroundings, sizes, quick, {p: before[p] for p in PARTS if p in before})
    print_sheet(console, report.bounds())
    if quick and only:
        return
    write_figures(home / "bench.json", report.figures)
    for path in [home / "bench.json", *publish(report, home / "bench", page=page)]:
        console.print(f"Written to {path}.", highlight=False, soft_wrap=True)


def _need_room(sizes: Mapping[str, int], parts: list[Part]) -> None:
    room, needed = shutil.disk_usage(tempfile.gettempdir()).free, BYTES_A_ROW * most_rows(sizes)
    if room < needed and len(parts) > 1:
        sys.exit(f"{tempfile.gettempdir()} has {room >> 20} MiB of room; {needed >> 20} are needed")


def _take(part: Part, bench: Bench, commit: str) -> Taken:
    bench.folder.mkdir(parents=True)
    began, load = time.monotonic(), os.getloadavg()[0]
    date = datetime.now(UTC).strftime(MINUTE)
    outcome = part.measure(bench)
    shutil.rmtree(bench.folder, ignore_errors=True)
    return Taken(outcome, time.monotonic() - began, load, date, commit)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)  # so that the server and its folder go as well


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        main()
    except MeasurementFailed as failure:
        sys.exit(f"A measurement failed: {failure}")
