"""Runs measurements, each in a process of its own, and keeps their medians."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.task import Measured, Task

TIMEOUT_SECONDS = 600


class MeasurementFailed(Exception):
    """A measurement broke, or moved fewer rows than it was told."""


@dataclass(frozen=True)
class Contender:
    """Something to measure: `work` names the module in `benchmarks/work/`, `share` (0 to 1) how
    much of the table it takes, and `once` that it is too slow to repeat.
    """

    name: str
    title: str
    work: str
    variant: str = ""
    share: float = 1.0
    once: bool = False


def measure(
    work: str,
    task: Task,
    environment: Mapping[str, str] = MappingProxyType({}),
    timeout: float = TIMEOUT_SECONDS,
) -> Measured:
    """One run in a fresh interpreter, with an empty folder that is gone afterwards.

    `environment` completes what every child gets; `timeout` is in seconds. Raises
    MeasurementFailed.
    """
    shutil.rmtree(task.path, ignore_errors=True)
    task.path.mkdir(parents=True)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child", work, json.dumps(asdict(task))],
            env={**_environment(task), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    finally:
        shutil.rmtree(task.path, ignore_errors=True)
    if done.returncode:
        raise MeasurementFailed(f"{work} {task.variant}\n{done.stderr[-3000:]}")
    measured = Measured(**json.loads(done.stdout.splitlines()[-1]))
    if measured.rows < task.rows:
        raise MeasurementFailed(f"{work} {task.variant}: {measured.rows} of {task.rows} rows")
    return measured


def interleaved(
    contenders: Sequence[Contender],
    url: str,
    folder: Path,
    rows: int,
    repeats: int,
    tell: Callable[[str], None],
    prepare: Callable[[], Mapping[str, str]] = dict,
) -> dict[str, Measured]:
    """The medians by name: round after round through all of them, so that noise hits all alike.

    The seconds of a contender that takes a share are scaled to all rows; its memory is as measured.
    `prepare` makes what a single run needs, and returns the environment variables that say where.
    """
    runs: dict[str, list[Measured]] = {contender.name: [] for contender in contenders}
    for turn in range(repeats):
        for contender in contenders:
            if contender.once and turn:
                continue
            wanted = round(rows * contender.share)
            tell(f"{contender.title}, {turn + 1} of {1 if contender.once else repeats}")
            task = Task(url, str(folder / "work"), wanted, contender.variant)
            measured = measure(contender.work, task, prepare())
            scale = rows / measured.rows
            runs[contender.name].append(
                Measured(
                    measured.seconds * scale,
                    rows,
                    measured.peak_rss_mb,
                    measured.cpu_seconds * scale,
                )
            )
    return {name: median_of(measured) for name, measured in runs.items()}


def median_of(runs: Sequence[Measured]) -> Measured:
    """The median of each number over runs of one kind."""
    return Measured(
        statistics.median(run.seconds for run in runs),
        runs[0].rows,
        statistics.median(run.peak_rss_mb for run in runs),
        statistics.median(run.cpu_seconds for run in runs),
    )


def _environment(task: Task) -> dict[str, str]:
    # The platform's own settings must not lead a child elsewhere, and dlt keeps state at home and
    # reports its use unless told otherwise.
    ours = ("DATABASE_URL", "WAREHOUSE_URL", "BIGQUERY_", "DAGSTER_", "ETL_", "EVENTS_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "ETL_HOME": task.folder,
        "PYTHONWARNINGS": "ignore",
        "DLT_DATA_DIR": str(task.path / "dlt"),
        "DLT_PROJECT_DIR": str(task.path),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
