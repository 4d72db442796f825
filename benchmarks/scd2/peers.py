"""The peers: each runs a program of `programs/` on a job, in an environment of its own.

dlt is in ours, as `make compare-dlt` and the bench have it; dbt and SQLMesh want other versions of
what we run on.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.scd2.environments import REPOSITORY, python_of
from benchmarks.scd2.histories import READINGS, History, clock, hours, moment, read
from benchmarks.scd2.judging import Verdict, Version, judge, versions_by_source_time
from benchmarks.scd2.speed import statements

_SECONDS = 1_800
_QUIET = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "PYTHONWARNINGS": "ignore",
    "TZ": "UTC",
}
_NOT_THEIRS = ("DBT_", "DLT_", "SQLMESH_", "PYTHON", "ETL_", "DATABASE_", "WAREHOUSE_")


class PeerFailed(Exception):
    """A peer that is installed and did not run; the message ends as its output does."""


@dataclass(frozen=True)
class Played:
    """What a peer made of all histories in so many runs.

    Rows and errors are by `history__reading__way`.
    """

    title: str
    rows: Mapping[str, Sequence[Sequence[Any]]]
    errors: Mapping[str, str]
    runs: int

    def verdicts(self, history: History) -> dict[str, Verdict]:
        """The verdict on each way, by its name."""
        right = versions_by_source_time(history.changes())
        return {
            ", ".join(name.split("__")[1:]): judge(
                right, [_version(*row) for row in rows], self.runs, self.errors.get(name, "")
            )
            for name, rows in self.rows.items()
            if name.startswith(f"{history.name}__")
        }


@dataclass(frozen=True)
class Peer:
    """A tool: `environment` is that of its requirements file, or empty for ours."""

    title: str
    program: str
    environment: str = ""

    def play(self, histories: Sequence[History], folder: Path) -> Played:
        """All histories, in all ways; raises NotInstalled and PeerFailed."""
        tables = _tables_of(histories)
        runs = max(len(one) for one in tables.values())
        # Where a history is over, its last run is done again: nothing is new.
        padded = {name: [*one, *([one[-1]] * (runs - len(one)))] for name, one in tables.items()}
        job = {"clocks": _clocks(runs), "tables": padded, "statements": []}
        told = self._run(job, folder / self.program)
        return Played(f"{self.title} {told['version']}", told["rows"], told["errors"], runs)

    def speed(self, folder: Path) -> tuple[list[tuple[float, float]], int]:
        """Seconds and CPU seconds of each run on many keys, and how many versions there are then.

        Raises NotInstalled and PeerFailed.
        """
        job = {"clocks": _clocks(2), "tables": {}, "statements": statements()}
        told = self._run(job, folder / f"{self.program}-speed")
        (rows,) = told["rows"].values()
        return [(seconds, cpu) for seconds, cpu in told["steps"]], len(rows)

    def _run(self, job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        python = python_of(self.environment) if self.environment else Path(sys.executable)
        folder.mkdir(parents=True)
        given, out = folder / "job.json", folder / "out.json"
        given.write_text(json.dumps(job))
        kept = {n: value for n, value in os.environ.items() if not n.startswith(_NOT_THEIRS)}
        own = {"DLT_DATA_DIR": str(folder), "DLT_PROJECT_DIR": str(folder)}
        done = subprocess.run(
            [str(python), "-m", f"benchmarks.scd2.programs.{self.program}", str(given), str(out)],
            cwd=folder,
            env={**kept, **_QUIET, **own, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise PeerFailed(f"{self.title} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        found: dict[str, Any] = json.loads(out.read_text())
        return found


PEERS = (
    Peer("dbt snapshot", "dbt_snapshot", "dbt"),
    Peer("dlt scd2", "dlt_scd2"),
    Peer("SQLMesh SCD_TYPE_2", "sqlmesh_scd2", "sqlmesh"),
)


def _tables_of(histories: Sequence[History]) -> dict[str, list[list[list[Any]]]]:
    """By `history__reading` the rows of each run."""
    return {
        f"{history.name}__{reading}": [
            [[row.id, row.a, row.b, _text(row.at), row.gone] for row in run]
            for run in read(history, reading)
        ]
        for history in histories
        for reading in READINGS
    }


def _clocks(runs: int) -> list[str]:
    return [_text(clock(run)) for run in range(runs)]


def _text(hour: int) -> str:
    return moment(hour).isoformat(sep=" ")


def _version(key: int | None, a: str | None, since: str, until: str | None) -> Version:
    end = None if until is None else hours(datetime.fromisoformat(until))
    return Version(key, a, hours(datetime.fromisoformat(since)), end)
