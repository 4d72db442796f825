"""`python -m benchmarks.dlt_histories`: what our sync and dlt's make of the same histories.

The histories are those of `etl_assets_tests/sync/histories.py`; `make compare-dlt` calls it. dlt is
used as its documentation has it: an incremental on `updated_at` that includes rows without it, the
primary key, merge. Prints the table of docs/incremental.md; takes some minutes.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import dlt
import duckdb
import pendulum
from dlt.load.load import Load
from dlt.sources.sql_database import sql_table

from etl_assets.demo.server import start_postgres
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.dying import Killed
from etl_assets_tests.sync.histories import (
    HISTORIES,
    PAGE,
    TABLE,
    History,
    Ours,
    Row,
    Runner,
    Stage,
    Verdict,
    judge,
    play,
    source_rows,
)
from etl_assets_tests.sync.shelf import Shelf, shelf_table

NEAR_SECONDS, FAR_SECONDS = 60.0, 1.0
"""How far back is read again: more than a near history takes, less than the others wait."""
_START = pendulum.datetime(2000, 1, 1, tz="UTC")


@dataclass(frozen=True)
class Dlt:
    """dlt's incremental into a DuckDB file in `folder`; `lag` seconds are read again, or none."""

    url: str
    folder: Path
    lag: float | None

    def sync(self, meanwhile: Callable[[], None] | None = None) -> None:
        """A run of the pipeline."""
        self._pipeline().run(self._resource(meanwhile)).raise_on_failed_jobs()

    def die(self, *, loaded: bool) -> None:
        """A run that is killed; nothing that it has on its disk is left."""
        pipeline = self._pipeline()
        if loaded:
            with _dying_when_loaded(), suppress(Killed):
                pipeline.run(self._resource())
        else:
            pipeline.extract(self._resource())
            pipeline.normalize()
        shutil.rmtree(self.folder / "pipelines")

    def rows(self) -> list[Row]:
        """What the dataset has."""
        with duckdb.connect(str(self.folder / "dlt.duckdb"), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(
                f"SELECT id, created_at, updated_at, v, amount FROM raw.{TABLE} ORDER BY id"
            ).fetchall()

    def _pipeline(self) -> Any:
        return dlt.pipeline(
            "histories",
            pipelines_dir=str(self.folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(self.folder / "dlt.duckdb")),
            dataset_name="raw",
        )

    def _resource(self, meanwhile: Callable[[], None] | None = None) -> Any:
        incremental = dlt.sources.incremental[pendulum.DateTime](
            "updated_at",
            initial_value=_START,
            lag=self.lag,
            on_cursor_value_missing="include",
        )
        resource = sql_table(
            credentials=self.url.replace("postgresql:", "postgresql+psycopg:", 1),
            schema="public",
            table=TABLE,
            incremental=incremental,
            chunk_size=PAGE,
            primary_key="id",
            write_disposition="merge",
        )
        waiting = [meanwhile] if meanwhile else []

        def after_the_first(row: Any) -> Any:
            if waiting:
                waiting.pop()()
            return row

        return resource.add_map(after_the_first)


@contextmanager
def _dying_when_loaded() -> Iterator[None]:
    complete = Load.complete_package

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    Load.complete_package = die  # type: ignore[method-assign]
    try:
        yield
    finally:
        Load.complete_package = complete  # type: ignore[method-assign]


@contextmanager
def _ours(url: str, folder: Path, lookback: float) -> Iterator[Ours]:
    table = shelf_table(TABLE, lookback=timedelta(seconds=lookback))
    with reader_of(url) as reader:
        warehouse = DuckDBWarehouse(folder / "ours.duckdb")
        yield Ours(Shelf(url, table, warehouse, folder, reader))


def compare(url: str, history: History, folder: Path) -> list[str]:
    """A line of the table: dlt, dlt with a lag, our sync, our sync and reconciliation."""
    back = NEAR_SECONDS if history.near else FAR_SECONDS
    cells = []
    for name, lag in (("dlt", None), ("dlt-lag", back)):
        (folder / name).mkdir()
        cells.append(_told(_play(url, history, Dlt(url, folder / name, lag))))
    with _ours(url, folder, back) as runner:
        cells.append(_told(_play(url, history, runner)))
        runner.shelf.reconcile()
        cells.append(_told(judge(source_rows(url), runner.rows())))
    return [history.title, *cells]


def _play(url: str, history: History, runner: Runner) -> Verdict:
    play(history, Stage(url, runner, patience=1.5 * FAR_SECONDS))
    return judge(source_rows(url), runner.rows())


def _told(verdict: Verdict) -> str:
    if verdict.is_equal:
        return "equal"
    return f"{verdict.lost} / {verdict.doubled} / {verdict.ghosts}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Print the table: rows lost / doubled / ghosts, or that all are equal."""
    folder = Path(tempfile.mkdtemp(prefix="etl-histories-"))
    # dlt keeps state at home and reports its use unless told otherwise.
    os.environ |= {
        "DLT_DATA_DIR": str(folder / "dlt"),
        "DLT_PROJECT_DIR": str(folder),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    server = start_postgres(folder / "postgres")
    try:
        server.ensure_database("histories")
        heads = ["history", f"dlt {dlt.__version__}", "dlt with a lag", "our sync", "and reconcile"]
        click.echo(_line(heads))
        click.echo(_line(["---"] * len(heads)))
        for number, history in enumerate(HISTORIES):
            place = folder / str(number)
            place.mkdir()
            click.echo(_line(compare(server.url("histories"), history, place)))
    finally:
        server.stop(immediately=True)
        shutil.rmtree(folder, ignore_errors=True)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
