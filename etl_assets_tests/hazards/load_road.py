"""One table and its road from PostgreSQL to DuckDB, as a run takes it, in any process."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg

from etl_assets.core.partitions import Window
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.spool import run_spool
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import DAY, UTC_MOMENT, layer_table, reader_of, run

DTYPES = {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String, "updated_at": UTC_MOMENT}
THINGS = replace(
    layer_table(DTYPES, {"v": {"str_startswith": "v"}, "id": {"nullable": False}}),
    cursor_column="updated_at",
)
"""Rows whose `v` does not begin with a v are bad, and any share of them is tolerated."""

Row = tuple[int, datetime, str | None, datetime | None]


def fill(url: str, version: int, rows: int = 400, days: int = 1) -> None:
    """The source as it is at a version: other values, one row gone, one more, another bad one."""
    run(
        url,
        "CREATE TABLE IF NOT EXISTS things"
        " (id bigint PRIMARY KEY, day_at timestamptz, v text, updated_at timestamptz)",
        "TRUNCATE things",
        f"INSERT INTO things SELECT n, '{DAY} 00:00Z'::timestamptz + n % {days} * interval '1 day'"
        f" + interval '3 hours', CASE WHEN n = {10 + version} THEN 'bad'"
        f" ELSE 'v{version}-' || n END,"
        f" '2024-06-0{version} 00:00Z'::timestamptz + n * interval '1 second'"
        f" FROM generate_series({version}, {rows} + {version}) n",
    )


def source_rows(url: str, day: date = DAY) -> list[Row]:
    """The good rows of a day, asked of PostgreSQL directly."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return connection.execute(
            "SELECT id, day_at, v, updated_at FROM things WHERE v LIKE 'v%%'"
            " AND (day_at AT TIME ZONE 'UTC')::date = %s ORDER BY id",
            [day],
        ).fetchall()


def warehouse_of(folder: Path, wait_seconds: float = 60) -> DuckDBWarehouse:
    return DuckDBWarehouse(folder / "warehouse.duckdb", wait_seconds=wait_seconds)


def warehouse_rows(folder: Path, day: date = DAY) -> list[Row]:
    """The rows of a day, by way of the warehouse's own reading."""
    extract = warehouse_of(folder).read(THINGS, [Window.of(day)], folder / "look")
    return extract.frames[0].collect().sort("id").rows()


def quarantine(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(
            "SELECT partition_key, rule, source_position, run_id FROM etl.etl_quarantine"
            " ORDER BY ALL"
        ).fetchall()


def load_and_publish(url: str, folder: Path, run_id: str, days: Sequence[date] = (DAY,)) -> None:
    """What the asset of a table does, with the same parts."""
    warehouse = warehouse_of(folder)
    with reader_of(url) as reader, run_spool(folder, run_id, "raw__things") as spool:
        published = published_counts(warehouse, THINGS)
        source = PostgresSource(reader, THINGS)
        loaded = list(load_days(THINGS, source, days, published, spool, run_id))
        publish_days(warehouse, THINGS, sound(loaded), run_id)


def sound(loaded: Sequence[object]) -> list[LoadedDay]:
    good = [day for day in loaded if isinstance(day, LoadedDay)]
    assert len(good) == len(loaded), loaded
    return good


def read_only(url: str, folder: Path, run_id: str, published: Published) -> LoadedDay:
    """The day, loaded and judged but not published."""
    with reader_of(url) as reader:
        source = PostgresSource(reader, THINGS)
        (day,) = sound(list(load_days(THINGS, source, [DAY], published, folder / run_id, run_id)))
    return day


def load_until(url: str, folder: Path, run_id: str, boundary: str) -> None:
    """In a child process: take the road and die, by SIGKILL, at a boundary of BOUNDARIES."""
    _BOUNDARIES[boundary]()
    load_and_publish(url, folder, run_id)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(owner: Any, name: str, when: str, nth: int = 1) -> Callable[[], None]:
    """Arms a method of a class, or a function of a module: `when` is before or after; iterators die
    before their first or next item."""

    def arm() -> None:
        calls = []
        method = getattr(owner, name)

        @wraps(method)
        def armed(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            if when == "before" and len(calls) == nth:
                _die()
            result = method(*arguments, **named)
            if when == "after" and len(calls) == nth:
                _die()
            return result

        setattr(owner, name, armed)

    return arm


def _after_first_batch() -> None:
    from etl_assets.sources.postgres.reader import PostgresDay

    batches = PostgresDay.batches

    def armed(self: PostgresDay) -> Any:
        yield next(iter(batches(self)))
        _die()

    PostgresDay.batches = armed  # type: ignore[method-assign]


class _Armed:
    """A connection that dies before or after a statement that begins with some words."""

    def __init__(self, connection: Any, words: str, when: str) -> None:
        self._connection, self._words, self._when = connection, words, when

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._connection, name)
        if name not in {"execute", "executemany"}:
            return member

        def armed(statement: str, *rest: Any) -> Any:
            hit = " ".join(statement.split()).startswith(self._words)
            if hit and self._when == "before":
                _die()
            result = member(statement, *rest)
            if hit:
                _die()
            return result

        return armed


def _sql(when: str, words: str) -> Callable[[], None]:
    def arm() -> None:
        connect = DuckDBWarehouse._connect_once

        def armed(self: DuckDBWarehouse) -> Any:
            return _Armed(connect(self), words, when)

        DuckDBWarehouse._connect_once = armed  # type: ignore[method-assign]

    return arm


def _boundaries() -> dict[str, Callable[[], None]]:
    from etl_assets.pipeline import day_check
    from etl_assets.sources.postgres.reader import PostgresDay
    from etl_assets.spool import SpoolFiles

    return {
        "before the evidence": _at(PostgresDay, "evidence", "before"),
        "after the evidence": _at(PostgresDay, "evidence", "after"),
        "after the first batch": _after_first_batch,
        "before the spool is written": _at(SpoolFiles, "write", "before"),
        "after the spool is written": _at(SpoolFiles, "write", "after"),
        "after the rows are closed": _at(SpoolFiles, "close", "after", 1),
        "after the quarantine is closed": _at(SpoolFiles, "close", "after", 2),
        "after the audit": _at(day_check, "duplicates", "after"),
        "before staging": _at(DuckDBWarehouse, "stage", "before"),
        "after staging": _at(DuckDBWarehouse, "stage", "after"),
        "after BEGIN": _sql("after", "BEGIN"),
        "after the rows are deleted": _sql("after", 'DELETE FROM "raw"'),
        "after the rows are inserted": _sql("after", 'INSERT INTO "raw"'),
        "after the quarantine is deleted": _sql("after", "DELETE FROM etl.etl_quarantine"),
        "after the quarantine is inserted": _sql("after", "INSERT INTO etl.etl_quarantine"),
        "after the state is deleted": _sql("after", "DELETE FROM etl.etl_state"),
        "after the state is inserted": _sql("after", "INSERT INTO etl.etl_state"),
        "before COMMIT": _sql("before", "COMMIT"),
        "after COMMIT": _sql("after", "COMMIT"),
        "after publication": _at(DuckDBWarehouse, "publish", "after"),
    }


_BOUNDARIES = _boundaries()
BOUNDARIES = tuple(_BOUNDARIES)
COMMITTED = frozenset({"after COMMIT", "after publication"})
"""The boundaries after which the new day is there."""
