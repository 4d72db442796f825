"""The emulator's own process: `bigquery_server.py` starts it with the emulator's interpreter.

Nothing else imports this: it knows `local_bigquery` and a DuckDB older than ours. What it changes
in them is only what they cost: what a request means and answers stays the emulator's.
"""

import ctypes
import gc
import json
import os
import signal
import sys
from types import FunctionType
from typing import Any

import duckdb
from local_bigquery.cli import main
from local_bigquery.engine import database
from local_bigquery.jobs import query, store

METADATA = "__ducklake_metadata_{}"
"""Where DuckLake keeps the catalogue of the project of that name."""

# DuckDB's own views open every table of every dataset for each question, which took most of the
# emulator's time: these ask DuckLake's catalogue itself, for what is committed, as they do.
QUICK = {
    "duckdb_tables()": (
        "SELECT t.table_name, 'TABLE', coalesce(n.record_count, 0) FROM {m}.ducklake_table t "
        "JOIN {m}.ducklake_schema d USING (schema_id) "
        "LEFT JOIN {m}.ducklake_table_stats n USING (table_id) "
        "WHERE t.end_snapshot IS NULL AND d.end_snapshot IS NULL AND $1 = $1 "
        "AND d.schema_name = $2 AND t.table_name = coalesce($3, t.table_name) "
        "UNION ALL SELECT v.view_name, 'VIEW', 0 FROM {m}.ducklake_view v "
        "JOIN {m}.ducklake_schema d USING (schema_id) "
        "WHERE v.end_snapshot IS NULL AND d.end_snapshot IS NULL "
        "AND d.schema_name = $2 AND v.view_name = coalesce($3, v.view_name) ORDER BY 1"
    ),
    "SELECT 1 FROM duckdb_schemas()": (
        "SELECT 1 FROM {m}.ducklake_schema WHERE end_snapshot IS NULL AND $1 = $1 "
        "AND schema_name = $2"
    ),
    "SELECT 1 FROM duckdb_columns()": (
        "SELECT 1 FROM {m}.ducklake_column c JOIN {m}.ducklake_table t USING (table_id) "
        "JOIN {m}.ducklake_schema d USING (schema_id) "
        "WHERE c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND d.end_snapshot IS NULL "
        "AND $1 = $1 AND d.schema_name = $2 AND t.table_name = $3 AND c.column_name = $4"
    ),
    "SELECT column_name FROM duckdb_columns()": (
        "SELECT c.column_name FROM {m}.ducklake_column c "
        "JOIN {m}.ducklake_table t USING (table_id) "
        "JOIN {m}.ducklake_schema d USING (schema_id) "
        "WHERE c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND d.end_snapshot IS NULL "
        "AND $1 = $1 AND d.schema_name = $2 AND t.table_name = $3 "
        "AND c.parent_column IS NULL AND NOT c.nulls_allowed"
    ),
}


TEMPORARY = "SELECT table_name FROM duckdb_tables() WHERE temporary"
"""What each job asks first: which temporary tables the job's connection has."""

IN_A_SESSION = "SELECT DISTINCT table_name FROM duckdb_columns() WHERE database_name = 'temp'"
WITHOUT_ONE = "SELECT '' AS table_name LIMIT 0"  # a job outside of a session has a new connection

INSERTED = (
    "INSERT INTO emulator.jobs (project_id, job_id, state, resource, parent_job_id, creation_time) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
UPDATED = "UPDATE emulator.jobs SET state = $3, resource = $4 WHERE project_id = $1 AND job_id = $2"


def die_with(parent: int) -> None:
    """On Linux the server dies with the thread that started it, so also with a killed session."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)


def connect_with_one_thread(connect: Any) -> Any:
    """Its statements are many and small: a second thread costs a quarter more and saves no time."""

    def connected(*given: Any, config: dict[str, Any] | None = None, **named: Any) -> Any:
        return connect(*given, config={**(config or {}), "threads": 1}, **named)

    return connected


def ask_the_catalogue(fetch: Any) -> Any:
    """`fetch`, with the quick form of each question in `QUICK`; all else as it was."""

    def fetched(sql: str, params: list[Any] | None = None) -> Any:
        if params and params[0] == "emulator" and "NOT is_nullable" in sql:
            return []  # the table of a result is made by a SELECT: each of its columns may be null
        if params and params[0] == "emulator" and params[-1] and "duckdb_tables()" in sql:
            # The result of a job is a table there: it is asked for, and not all tables listed.
            try:
                ((rows,),) = fetch(f"SELECT count(*) FROM {database.quote(*params)}")
            except duckdb.CatalogException:
                return []
            return [(params[-1], "TABLE", rows)]
        if params and params[0] in database._attached:
            for asked, quick in QUICK.items():
                if asked in sql:
                    metadata = database.quote(METADATA.format(params[0]))
                    return fetch(quick.format(m=metadata), params)
        return fetch(sql, params)

    return fetched


def by_session(execute: Any) -> Any:
    """`query.execute`, asking for the temporary tables only where there may be any."""
    within, without = (with_text(execute, TEMPORARY, to) for to in (IN_A_SESSION, WITHOUT_ONE))

    def executed(*given: Any, session: Any = None, **named: Any) -> Any:
        return (within if session else without)(*given, session=session, **named)

    return executed


def save_quickly(save: Any) -> Any:
    """`store.save`: a new job is inserted and one that goes on is updated, which costs a third."""

    def saved(job: Any) -> Any:
        key = [job.jobReference.projectId, job.jobReference.jobId]
        values = [job.status.state, json.dumps(job.dump())]
        if job.status.state == "PENDING" or job.statistics.parentJobId:
            more = [job.statistics.parentJobId, int(job.statistics.creationTime)]
            try:
                database.execute(INSERTED, [*key, *values, *more])
            except duckdb.ConstraintException:
                return save(job)
        else:
            database.execute(UPDATED, [*key, *values])
        return job

    return saved


def with_text(function: Any, text: str, to: str) -> Any:
    """The same function with another text in the place of `text`, which it must have."""
    code = function.__code__
    assert text in code.co_consts, function
    consts = tuple(to if one == text else one for one in code.co_consts)
    found = FunctionType(
        code.replace(co_consts=consts), function.__globals__, argdefs=function.__defaults__
    )
    found.__kwdefaults__ = function.__kwdefaults__
    return found


if __name__ == "__main__":
    die_with(int(sys.argv.pop(1)))
    duckdb.connect = connect_with_one_thread(duckdb.connect)
    database.fetch = ask_the_catalogue(database.fetch)
    query.execute = by_session(query.execute)
    store.save = save_quickly(store.save)
    # DuckDB looks for it at every parameter, in all folders again, because it is not installed.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    gc.freeze()
    main()
