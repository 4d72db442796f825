"""The limit: PostgreSQL's own binary COPY, thrown away."""

import psycopg

from benchmarks.source import COLUMNS
from benchmarks.task import Task


def run(task: Task) -> int:
    with psycopg.connect(task.url) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT {COLUMNS} FROM orders) TO STDOUT (FORMAT binary)") as copy:
            for _ in copy:
                pass
        return cursor.rowcount
