"""SQLMesh's SCD_TYPE_2 of a job's tables, in an environment of its own: `sqlmesh_scd2 JOB OUT`.

Each table is an external table in DuckDB, and has a model for each way that SQLMesh's documentation
has: by time with `updated_at_as_valid_from`, and by column with
`execution_time_as_valid_from`. Each run is a plan with an execution time of its own.
"""

from importlib.metadata import version
from pathlib import Path

from sqlmesh import Context

from benchmarks.scd2.programs.job import Job, finish, play, read_job

_FILE = "peer.duckdb"
_CONFIG = """
gateways:
  local:
    connection: {type: duckdb, database: peer.duckdb}
default_gateway: local
model_defaults: {dialect: duckdb, start: '2025-12-01'}
disable_anonymized_analytics: true
"""
_KINDS = {
    "by_time": (
        "SCD_TYPE_2_BY_TIME "
        "(unique_key id, updated_at_name moment, updated_at_as_valid_from true, {deletes})"
    ),
    "by_column": (
        "SCD_TYPE_2_BY_COLUMN "
        "(unique_key id, columns [a, gone], execution_time_as_valid_from true, {deletes})"
    ),
}
_MODEL = """
MODEL (name dims.{table}__{way}, kind {kind}, cron '@daily');
SELECT
    id::BIGINT AS id, a::TEXT AS a, b::BIGINT AS b, moment::TIMESTAMP AS moment,
    gone::BOOLEAN AS gone
FROM src.{table};
"""


def main() -> None:
    job = read_job()
    ways = ["by_time"] if job.is_speed else list(_KINDS)
    Path("models").mkdir()
    Path("config.yaml").write_text(_CONFIG)
    for table in job.names:
        for way in ways:
            deletes = f"invalidate_hard_deletes {str(table.endswith('present')).lower()}"
            kind = _KINDS[way].format(deletes=deletes)
            model = _MODEL.format(table=table, way=way, kind=kind)
            Path(f"models/{table}__{way}.sql").write_text(model)
    play(job, version("sqlmesh"), _FILE, lambda run: _plan(job, run))
    names = [f"{table}__{way}" for table in job.names for way in ways]
    finish(_FILE, {name: _query(name) for name in names})


def _plan(job: Job, run: int) -> dict[str, str]:
    context = Context(paths=".")
    context.plan(
        auto_apply=True,
        no_prompts=True,
        run=True,
        skip_tests=True,
        execution_time=job.clocks[run],
    )
    context.close()
    return {}


def _query(name: str) -> str:
    return f"SELECT id, a, valid_from, valid_to FROM dims.{name} WHERE NOT gone"


if __name__ == "__main__":
    main()
