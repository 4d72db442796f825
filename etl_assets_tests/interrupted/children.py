"""Work that a child process does until a signal ends it, as Dagster ends a run: `CHILDREN`."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from etl_assets.postgres.connection import driver_of
from etl_assets.sources.postgres.horizon import HorizonPolicy
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.contract.days import DAY as PUBLISHED_DAY
from etl_assets_tests.contract.days import NEXT, orders, publish, staged, values
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at
from etl_assets_tests.source_tables import DAY, plain_table, read_day, reader_of, snapshot_of

TABLE = plain_table({"v": pl.String})
ENDLESS = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(100000000) b"


class Terminated(BaseException):
    """As Dagster's interrupt: no KeyboardInterrupt, and no Exception."""


def terminate_by_signals() -> None:
    """From now on SIGINT and SIGTERM raise Terminated, as during a step of Dagster's."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _terminate)


def _terminate(_number: int, _frame: object) -> None:
    raise Terminated


def work_until_signal(name: str, url: str, folder: Path) -> None:
    """In the child: the outcome is in `folder / "outcome"`, what was raised or "done"."""
    outcome = "done"
    try:
        terminate_by_signals()
        CHILDREN[name](url, folder)
    except BaseException as error:
        outcome = type(error).__name__
    # A thread that the signal met while it was started ends by itself, and nobody waits for it.
    deadline = time.monotonic() + 30
    while (alive := _helpers()) and time.monotonic() < deadline:
        time.sleep(0.01)
    (folder / "outcome").write_text(" ".join([outcome, *alive]))


def _helpers() -> list[str]:
    """The threads that ours begin and end."""
    return [t.name for t in threading.enumerate() if t.name.startswith(("copy-", "signals"))]


def warehouse_of(folder: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(folder / "warehouse.duckdb", wait_seconds=600)


def _source_lock(url: str, folder: Path) -> None:
    read_day(url, TABLE)


def _source_count(url: str, folder: Path) -> None:
    with snapshot_of(url, TABLE) as snapshot:
        snapshot.day(DAY).evidence()


def _source_copy(url: str, folder: Path) -> None:
    with snapshot_of(url, TABLE) as snapshot:
        for _ in snapshot.day(DAY).batches():
            (folder / "first batch").touch()


def _source_catalogue(url: str, folder: Path) -> None:
    with reader_of(url) as reader, reader._engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_sleep(600)"))


def _source_horizon(url: str, folder: Path) -> None:
    with reader_of(url, statement_timeout=50) as reader:
        reader.horizon(HorizonPolicy(), None)
        _source_lock(url, folder)


def _warehouse_lock(url: str, folder: Path) -> None:
    with warehouse_at(url, wait_seconds=600) as warehouse:
        publish(warehouse, staged(folder, orders({2: "two"}, NEXT), NEXT, run_id="second"))


def _warehouse_statement(url: str, folder: Path) -> None:
    with warehouse_at(url) as warehouse:
        warehouse.transactions.run("sleeping", lambda c: c.execute(sa.text("SELECT pg_sleep(600)")))


def _warehouse_copy_in(url: str, folder: Path) -> None:
    def work(connection: sa.Connection) -> None:
        with driver_of(connection).cursor() as cursor:
            cursor.execute("CREATE TABLE filled (v text)")
            with cursor.copy("COPY filled FROM STDIN") as copy:
                copy.write("x\n" * 10_000)
                (folder / "first batch").touch()
                time.sleep(600)

    with warehouse_at(url) as warehouse:
        warehouse.transactions.run("filling", work)


def _warehouse_copy_into_locked(url: str, folder: Path) -> None:
    def work(connection: sa.Connection) -> None:
        with driver_of(connection).cursor() as c, c.copy("COPY slow FROM STDIN") as copy:
            for _ in range(1_000_000):
                copy.write("x\n" * 10_000)

    with warehouse_at(url) as warehouse:
        warehouse.transactions.run("filling", work)


def _duckdb_turn(url: str, folder: Path) -> None:
    # Polars swallows what a signal raises while it makes the rows: they are there before.
    rows = staged(folder, orders({2: "two"}, NEXT), NEXT, run_id="second")
    (folder / "first batch").touch()
    publish(warehouse_of(folder), rows)


def _duckdb_query(url: str, folder: Path) -> None:
    with warehouse_of(folder)._open("counting") as connection:
        (folder / "first batch").touch()
        connection.execute(ENDLESS)


def _duckdb_fetch(url: str, folder: Path) -> None:
    with warehouse_of(folder)._change("counting") as connection:
        connection.execute("DELETE FROM raw.orders")
        (folder / "first batch").touch()
        connection.sql(ENDLESS).pl()


def published(folder: Path) -> dict[int, str]:
    """What is in the DuckDB file of the folder."""
    return values(warehouse_of(folder), folder, PUBLISHED_DAY, NEXT)


def ready(folder: Path) -> None:
    """A DuckDB file with a published day."""
    publish(warehouse_of(folder), staged(folder, orders({1: "one"}), run_id="first"))
    assert published(folder) == {1: "one"}


CHILDREN: dict[str, Callable[[str, Path], None]] = {
    "source: waiting for a lock": _source_lock,
    "source: after the horizon, waiting for a lock": _source_horizon,
    "source: counting": _source_count,
    "source: in a COPY": _source_copy,
    "source: in a statement of SQLAlchemy": _source_catalogue,
    "warehouse: waiting for a lock": _warehouse_lock,
    "warehouse: in a statement of SQLAlchemy": _warehouse_statement,
    "warehouse: filling by COPY": _warehouse_copy_in,
    "warehouse: filling by COPY, the server is slow": _warehouse_copy_into_locked,
    "duckdb: waiting for the turn": _duckdb_turn,
    "duckdb: in a query": _duckdb_query,
    "duckdb: fetching in a transaction": _duckdb_fetch,
}
