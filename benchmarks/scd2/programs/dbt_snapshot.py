"""dbt's snapshots of a job's tables, in an environment of its own: `dbt_snapshot JOB OUT`.

Each table is a source in DuckDB, and has a snapshot for each way that dbt's documentation has: by
timestamp or by check with `updated_at`; deletions that show as missing rows are invalidated, or
recorded as rows of their own.
"""

import json
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.version import get_installed_version

from benchmarks.scd2.programs.job import Job, finish, play, read_job

_FILE = "peer.duckdb"
_PROJECT = """
name: peer
version: "1.0"
profile: peer
flags: {send_anonymous_usage_stats: false}
"""
_PROFILE = """
peer:
  target: here
  outputs:
    here: {type: duckdb, path: peer.duckdb, threads: 1}
"""
# dbt asks the database for the time; the runs of a job have moments of their own.
_CLOCK = """
{% macro snapshot_get_time() %}cast('{{ var("clock") }}' as timestamp){% endmacro %}
"""
_STRATEGIES: dict[str, dict[str, Any]] = {
    "timestamp": {"strategy": "timestamp", "updated_at": "moment"},
    "check": {"strategy": "check", "check_cols": ["a", "gone"], "updated_at": "moment"},
}


def main() -> None:
    job = read_job()
    snapshots = {
        f"{table}__{way}": (table, way) for table in job.names for way in _ways(job, table)
    }
    _write_project(job, snapshots)
    runner = dbtRunner()
    version = get_installed_version().to_version_string(skip_matcher=True)
    play(job, version, _FILE, lambda run: _snapshot(runner, job.clocks[run]))
    finish(_FILE, {name: _query(name) for name in snapshots})


def _ways(job: Job, table: str) -> list[str]:
    """Strategy and deletions of each way."""
    if job.is_speed:
        return ["timestamp__ignore"]
    deletes = ("invalidate", "new_record") if table.endswith("present") else ("ignore",)
    return [f"{strategy}__{how}" for strategy in _STRATEGIES for how in deletes]


def _write_project(job: Job, snapshots: dict[str, tuple[str, str]]) -> None:
    for folder in ("models", "macros", "snapshots"):
        Path(folder).mkdir()
    Path("dbt_project.yml").write_text(_PROJECT)
    Path("profiles.yml").write_text(_PROFILE)
    Path("macros/clock.sql").write_text(_CLOCK)
    sources = [{"name": "src", "tables": [{"name": name} for name in job.names]}]
    described = [_described(name, *which) for name, which in snapshots.items()]
    # JSON is YAML.
    Path("models/sources.yml").write_text(json.dumps({"sources": sources}))
    Path("snapshots/all.yml").write_text(json.dumps({"snapshots": described}))


def _described(name: str, table: str, way: str) -> dict[str, Any]:
    strategy, deletes = way.split("__")
    own: dict[str, Any] = {"unique_key": "id", "schema": "snap", "hard_deletes": deletes}
    config = {**own, **_STRATEGIES[strategy]}
    return {"name": name, "relation": f"source('src', '{table}')", "config": config}


def _snapshot(runner: dbtRunner, clock: str) -> dict[str, str]:
    told = json.dumps({"clock": clock})
    done = runner.invoke(["--quiet", "--no-version-check", "snapshot", "--vars", told])
    if done.exception:
        raise done.exception
    return {r.node.name: r.message or "failed" for r in done.result if r.status != "success"}


def _query(name: str) -> str:
    gone = "gone OR dbt_is_deleted = 'True'" if name.endswith("new_record") else "gone"
    columns = "id, a, dbt_valid_from, dbt_valid_to"
    return f"SELECT {columns} FROM main_snap.{name} WHERE NOT ({gone})"


if __name__ == "__main__":
    main()
