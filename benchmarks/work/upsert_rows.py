"""An upsert of single-row INSERT … ON CONFLICT statements, all prepared and in one transaction."""

from pathlib import Path

import psycopg

from benchmarks.batches import batches
from benchmarks.source import COLUMNS
from benchmarks.task import Task
from etl_assets.config import read_settings

_NAMES = COLUMNS.split(", ")
_UPSERT = (
    f"INSERT INTO upserted ({COLUMNS}) VALUES ({', '.join(['%s'] * len(_NAMES))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in _NAMES[1:])} "
    "WHERE excluded.updated_at >= upserted.updated_at"
)


def run(task: Task) -> int:
    upserted = 0
    with (
        psycopg.connect(read_settings().warehouse_url or "") as connection,
        connection.cursor() as cursor,
    ):
        for frame in batches(Path(task.url), task.rows):
            cursor.executemany(_UPSERT.encode(), frame.rows())
            upserted += cursor.rowcount
    return upserted
