"""The same events by dlt into a PostgreSQL table, merged by their id."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import dlt
import psycopg

from benchmarks.event_payloads import SOURCE, batches
from benchmarks.task import Task
from etl_assets.config import read_settings


def run(task: Task) -> int:
    url = read_settings().events_database_url or ""

    @dlt.resource(name="staging_events", primary_key="event_id", write_disposition="merge")
    def events() -> Iterator[list[dict[str, Any]]]:
        for batch in batches(task.rows, 10_000):
            yield [
                {"source": SOURCE, "event_id": event_id, "payload": event}
                for event_id, event in batch
            ]

    pipeline: Any = dlt.pipeline(
        "bench_events",
        pipelines_dir=str(task.path / "pipelines"),
        destination=dlt.destinations.postgres(credentials=_host_url(url)),
        dataset_name="dlt_events",
    )
    pipeline.run(events()).raise_on_failed_jobs()
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM dlt_events.staging_events").fetchone()
    return int(found[0]) if found else 0


def _host_url(url: str) -> str:
    """The URL with the socket's folder as its host, as dlt wants it."""
    parts = urlsplit(url)
    host = parse_qs(parts.query)["host"][0]
    return f"postgresql://{parts.username}:none@{quote(host, safe='')}:5432{parts.path}"
