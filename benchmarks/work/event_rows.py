"""The same events inserted row by row, or with the variant `many` by executemany; one commit each
10,000 rows. A copy that is there already is left out, as ours does it."""

import hashlib

import psycopg

from benchmarks.event_payloads import BEGIN, SOURCE, batches
from benchmarks.task import Task
from etl_assets.config import read_settings

_INSERT = (
    "INSERT INTO staging_events (source, event_id, payload, digest, ingested_at) "
    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


def run(task: Task) -> int:
    inserted = 0
    with (
        psycopg.connect(read_settings().events_database_url or "") as connection,
        connection.cursor() as cursor,
    ):
        for batch in batches(task.rows, 10_000):
            rows = [
                (SOURCE, event_id, event, hashlib.sha256(event).digest(), BEGIN)
                for event_id, event in batch
            ]
            if task.variant == "many":
                cursor.executemany(_INSERT, rows)
                inserted += cursor.rowcount
            else:
                for row in rows:
                    inserted += cursor.execute(_INSERT, row).rowcount
            connection.commit()
    return inserted
