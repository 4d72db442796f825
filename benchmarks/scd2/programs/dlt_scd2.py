"""dlt's scd2 of a job's tables: `dlt_scd2 JOB OUT`.

Each table is a resource that is loaded at each run, in each way that dlt's documentation has: the
row's own digest or one of the tracked columns (`row_version_column_name`), and the bound between
versions by the run or by the newest moment that was read (`boundary_timestamp`). Where a run reads
a batch only, `merge_key` keeps the keys open that are not in it.
"""

from datetime import UTC, datetime
from typing import Any

import dlt
import duckdb
from dlt.common.normalizers.json.helpers import get_row_hash

from benchmarks.scd2.programs.job import KEYS, Job, finish, play, read_job

_SOURCE, _FILE = "source.duckdb", "peer.duckdb"
_WAYS = [f"{digest}__{bound}" for digest in ("row", "tracked") for bound in ("run", "moment")]
_COLUMNS: Any = {
    "id": {"data_type": "bigint", "nullable": True},
    "a": {"data_type": "text"},
    "b": {"data_type": "bigint"},
    "moment": {"data_type": "timestamp"},
    "gone": {"data_type": "bool"},
}


def main() -> None:
    job = read_job()
    play(job, dlt.__version__, _SOURCE, lambda run: _load(job, run))
    names = [KEYS] if job.is_speed else [f"{name}__{way}" for name in job.names for way in _WAYS]
    finish(_FILE, {name: _query(name) for name in names})


def _load(job: Job, run: int) -> dict[str, str]:
    clock = job.clocks[run]
    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir="pipelines",
        destination=dlt.destinations.duckdb(_FILE),
        dataset_name="dims",
    )
    resources = (
        [_keys(clock)]
        if job.is_speed
        else [
            _resource(name, way, runs[run], clock)
            for name, runs in job.tables.items()
            for way in _WAYS
        ]
    )
    pipeline.run(resources).raise_on_failed_jobs()
    return {}


def _resource(table: str, way: str, rows: list[list[Any]], clock: str) -> Any:
    digest, bound = way.split("__")
    at = max((row[3] for row in rows), default=clock) if bound == "moment" else clock
    records: list[dict[str, Any]] = [
        {"id": key, "a": a, "b": b, "moment": _utc(moment), "gone": gone}
        for key, a, b, moment, gone in rows
    ]
    if digest == "tracked":
        for record in records:
            record["row_version"] = get_row_hash(record, ["id", "a", "gone"])
    resource = dlt.resource(
        records,
        name=f"{table}__{way}",
        write_disposition=_strategy(at, tracked=digest == "tracked"),
        columns=_COLUMNS,
    )
    is_whole = table.endswith(("present", "marked"))
    return resource if is_whole else resource.apply_hints(merge_key="id")


def _keys(clock: str) -> Any:
    """The table of a job that measures speed, as Arrow, which dlt takes fastest."""
    with duckdb.connect(_SOURCE) as connection:
        query = f"SELECT *, md5(concat_ws('|', id, a, gone)) AS row_version FROM src.{KEYS}"
        rows = connection.execute(query).to_arrow_table()
    return dlt.resource(rows, name=KEYS, write_disposition=_strategy(clock, tracked=True))


def _strategy(bound: str, *, tracked: bool) -> Any:
    how = {
        "disposition": "merge",
        "strategy": "scd2",
        "validity_column_names": ["valid_from", "valid_to"],
        "boundary_timestamp": f"{bound}+00:00",
    }
    return how | ({"row_version_column_name": "row_version"} if tracked else {})


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _query(name: str) -> str:
    columns = "id, a, valid_from::TIMESTAMP, valid_to::TIMESTAMP"
    return f"SELECT {columns} FROM dims.{name} WHERE NOT gone"


if __name__ == "__main__":
    main()
