"""The emulator's own process: `bigquery_server.py` starts it with the emulator's interpreter.

Nothing else imports this: it knows `local_bigquery` and a DuckDB older than ours. What it changes
in them is only what they cost: what a request means and answers stays the emulator's.
"""

import ctypes
import os
import signal
import sys
from typing import Any

import duckdb
from local_bigquery.cli import main
from local_bigquery.engine import database
from local_bigquery.jobs import query

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


TEMPORARY = {
    "SELECT table_name FROM duckdb_tables() WHERE temporary": (
        "SELECT DISTINCT table_name FROM duckdb_columns() WHERE database_name = 'temp'"
    )
}
"""A question that each job asks in its own session, and its quick form."""


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


def replace_texts(function: Any, texts: dict[str, str]) -> None:
    """Replace these texts in the code of a function, which must have each of them."""
    code = function.__code__
    assert set(texts) <= set(code.co_consts), function
    consts = tuple(texts.get(c, c) if isinstance(c, str) else c for c in code.co_consts)
    function.__code__ = code.replace(co_consts=consts)


if __name__ == "__main__":
    die_with(int(sys.argv.pop(1)))
    duckdb.connect = connect_with_one_thread(duckdb.connect)
    database.fetch = ask_the_catalogue(database.fetch)
    replace_texts(query.execute, TEMPORARY)
    main()
