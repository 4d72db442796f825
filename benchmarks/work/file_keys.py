"""A listing of many keys: by bare HTTP, planned, and by a sensor that has seen all of them.

`task.url` is the host of the S3, `task.rows` the number of keys in its bucket `many`.
"""

import http.client
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import dagster as dg

from benchmarks.file_content import CSV
from benchmarks.file_keys import BELOW, days_of
from benchmarks.file_table import TABLE, file_orders, open_files
from benchmarks.staged import staged_day
from benchmarks.task import Task
from etl_assets.core.lateness import Late
from etl_assets.orchestration.build import build_definitions
from etl_assets.pipeline.file_days import NEW
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_staged
from etl_assets_tests.s3_server import HEADERS

_TOKEN = re.compile(rb"<NextContinuationToken>(.*?)</NextContinuationToken>")
T = TypeVar("T")


def run(task: Task) -> int:
    platform = open_files(
        task.path / "home",
        file_orders(CSV, BELOW),
        url="s3://many",
        endpoint=f"http://{task.url}",
        credentials={
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "s3cr3t",
            "AWS_REGION": "us-east-1",
        },
        patience=600,
        idle=600,
    )
    figures: dict[str, float] = {"file_keys": task.rows}
    bare = _timed(figures, "bare", lambda: _bare_listing(task.url))
    assert bare == task.rows, bare
    table = platform.catalog[TABLE]
    look = _timed(figures, "plan", lambda: platform.look_at_files(table))
    assert (look.counts[NEW], len(look.late)) == (task.rows, days_of(task.rows)), look.told()
    _publish(platform, look.late, task.path)
    warehouse = platform.settings.home / "warehouse.duckdb"
    before = _evidence(warehouse)
    tick = _timed(figures, "unchanged", lambda: _tick(platform))
    figures["file_keys_runs"] = len(tick.run_requests or ())
    assert "No object is new" in (tick.skip_message or ""), tick
    assert _evidence(warehouse) == before, "an unchanged listing has written to the warehouse"
    Path(os.environ["BENCH_FIGURES"]).write_text(json.dumps(figures), encoding="utf-8")
    return task.rows


def _timed(figures: dict[str, float], name: str, work: Callable[[], T]) -> T:
    began, used = time.perf_counter(), time.process_time()
    done = work()
    figures[f"file_keys_{name}_seconds"] = time.perf_counter() - began
    figures[f"file_keys_{name}_cpu_seconds"] = time.process_time() - used
    return done


def _bare_listing(host: str) -> int:
    """The keys of all pages, counted in their bytes."""
    connection = http.client.HTTPConnection(host, timeout=600)
    keys, after = 0, ""
    while True:
        path = f"/many?list-type=2&max-keys=1000&prefix={quote(BELOW, safe='')}{after}"
        connection.request("GET", path, headers=HEADERS)
        with connection.getresponse() as response:
            page = response.read()
        keys += page.count(b"<Key>")
        token = _TOKEN.search(page)
        if token is None:
            connection.close()
            return keys
        after = f"&continuation-token={quote(token[1].decode(), safe='')}"


def _publish(platform: Platform, late: Sequence[Late], folder: Path) -> None:
    """Every day as made of its objects, without their rows: the listing is what is measured."""
    table = platform.catalog[TABLE]
    spool = folder / "spool"
    staged = [
        staged_day(table.path, one.day, [], spool, source="files", made_of=one.wanted)
        for one in late
    ]
    publish_staged(platform.warehouse, table, staged, "bench")


def _tick(platform: Platform) -> Any:
    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    repository = definitions.get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance, repository_def=repository, resources={"platform": platform}
        )
        return repository.get_sensor_def("new_files__orders").evaluate_tick(context)


def _evidence(warehouse: Path) -> list[tuple[str, int, int]]:
    """Size and time of change of the database and of its log; who waits for a turn is beside it."""
    files = (warehouse, warehouse.with_name(f"{warehouse.name}.wal"))
    found = [(path.name, path.stat()) for path in files if path.exists()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]
