"""From a file that is dropped to its published day: the real daemon, the real sensor, a real run.

`etl-assets dev` runs on a folder and a DuckDB file. The first day, which waits until everything is
up, is not measured.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

from benchmarks.file_content import CSV, file_at, write_text
from benchmarks.file_table import DAYS, TABLE, file_orders, open_files
from benchmarks.orders import order_frames
from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import MeasurementFailed
from benchmarks.source import DAY, Source
from etl_assets.pipeline.platform import Platform

DAGSTER = "drops_dagster"
ROWS = 1000
_PATIENCE_SECONDS = 600
_LOOK_SECONDS = 0.5
_STOP_SECONDS = 120
_OURS = ("DATABASE_", "WAREHOUSE_", "BIGQUERY_", "DAGSTER_", "ETL_", "OBJECT_STORE_", "HTTP_API_")


def measure_drops(
    source: Source, folder: Path, repeats: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Seconds from a file in its place to a day that can be read: the median and the longest."""
    source.server.ensure_database(DAGSTER)
    drop, home = folder / "drops", folder / "drops home"
    drop.mkdir()
    seconds = []
    with closing(open_files(home, file_orders(CSV), url=f"file://{drop}")) as platform:
        environment = _environment(drop, home, source.server.url(DAGSTER))
        with _daemon(environment, folder / "dev.log") as failed:
            for number in range(repeats + 1):
                tell(f"a file is dropped, {number} of {repeats}")
                day = DAY + timedelta(days=number)
                _drop(drop, day)
                began = time.perf_counter()
                _await(platform, day, failed)
                seconds.append(time.perf_counter() - began)
    return {
        "drop_to_published_seconds": statistics.median(seconds[1:]),
        "drop_to_published_seconds_longest": max(seconds[1:]),
    }


def _drop(folder: Path, day: date) -> None:
    path = file_at(folder, CSV, day)
    unfinished = folder / "unfinished"  # the pattern does not describe it
    write_text(order_frames(ROWS), unfinished)
    path.parent.mkdir()
    unfinished.rename(path)


def _await(platform: Platform, day: date, failed: Callable[[], str | None]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    table = platform.catalog[TABLE]
    while not any(state.partition_key == day for state in platform.warehouse.state(table)):
        if (what := failed()) is not None or time.monotonic() > deadline:
            raise MeasurementFailed(what or f"{day} was not published by the daemon")
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _daemon(environment: Mapping[str, str], log: Path) -> Iterator[Callable[[], str | None]]:
    """A running `etl-assets dev`, and what tells why it has ended, None while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "etl_assets.cli", "dev", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

    def failed() -> str | None:
        if process.poll() is None:
            return None
        return f"etl-assets dev has ended\n{log.read_text(errors='replace')[-3000:]}"

    try:
        yield failed
    finally:
        process.terminate()  # it ends all that it has started
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(drop: Path, home: Path, dagster: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
        "ETL_HOME": str(home),
        "ETL_TABLES": "benchmarks.dropped",
        # Dagster's code server does not start in this folder.
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "ETL_FIRST_DAY": DAY.isoformat(),
        "ETL_LAST_DAY": (DAY + timedelta(days=DAYS - 1)).isoformat(),
        "OBJECT_STORE_URL": f"file://{drop}",
        "DAGSTER_POSTGRES_URL": dagster,
    }


def _part(bench: Bench) -> Outcome:
    figures = measure_drops(bench.source, bench.folder, bench.size("repeats"), bench.tell)
    rows = [
        ("the median", f"{figures['drop_to_published_seconds']:.1f}"),
        ("the longest", f"{figures['drop_to_published_seconds_longest']:.1f}"),
    ]
    title = "From a dropped file to its published day, by sensor and daemon"
    return Outcome(figures, [Sheet(title, ("", "seconds"), rows)])


PART = Part("drops", "A file that is dropped", _part)
