"""What the programs of the peers share: a job's tables are put into DuckDB, the result is kept.

Only DuckDB is imported here, and nothing of ours: each peer runs in an environment of its own.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

KEYS = "keys"
"""The table of a job that measures speed."""

_COLUMNS = "(id BIGINT, a VARCHAR, b BIGINT, moment TIMESTAMP, gone BOOLEAN)"


@dataclass(frozen=True)
class Job:
    """`clocks` has the moment of each run, `tables` the rows that each table has at each run.

    Where speed is measured, `statements` has for each run the query that the table KEYS is.
    """

    clocks: list[str]
    tables: dict[str, list[list[list[Any]]]]
    statements: list[str]

    @property
    def is_speed(self) -> bool:
        """Whether it measures speed."""
        return bool(self.statements)

    @property
    def names(self) -> list[str]:
        """The tables."""
        return [KEYS] if self.is_speed else list(self.tables)

    def put(self, run: int, file: str) -> None:
        """Replace the tables of the schema `src` by what they are at a run."""
        with duckdb.connect(file) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS src")
            if self.is_speed:
                query = self.statements[run]
                connection.execute(f"CREATE OR REPLACE TABLE src.{KEYS} AS {query}")
            for table, runs in self.tables.items():
                connection.execute(f"CREATE OR REPLACE TABLE src.{table} {_COLUMNS}")
                if runs[run]:
                    insert = f"INSERT INTO src.{table} VALUES (?, ?, ?, ?, ?)"
                    connection.executemany(insert, runs[run])


def read_job() -> Job:
    """The job that the command line names."""
    return Job(**json.loads(Path(sys.argv[1]).read_text()))


def play(job: Job, version: str, file: str, run_once: Callable[[int], dict[str, str]]) -> None:
    """Do each run; what is published afterwards is up to `finish`.

    `run_once` returns what went wrong, by `table__way`.
    """
    steps, errors = [], dict[str, str]()
    for run in range(len(job.clocks)):
        job.put(run, file)
        began, used = time.perf_counter(), _cpu_seconds()
        errors = run_once(run) | errors
        steps.append([time.perf_counter() - began, _cpu_seconds() - used])
    _write({"version": version, "steps": steps, "errors": errors})


def finish(file: str, queries: dict[str, str]) -> None:
    """Keep what is in the tables: `queries` by `table__way`, each of key, value, from and until."""
    told = json.loads(Path(sys.argv[2]).read_text())
    with duckdb.connect(file) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        told["rows"] = {n: connection.execute(query).fetchall() for n, query in queries.items()}
    _write(told)


def _write(told: dict[str, Any]) -> None:
    Path(sys.argv[2]).write_text(json.dumps(told, default=str))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
