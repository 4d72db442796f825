"""Any history of tables (C1, C2, C5 to C8, L2, L5, R1, R2, R5, R9): the warehouse is the source.

`HISTORIES=5000 SEED=7 make simulate` runs as many as one likes, and with SHRINK=1 looks for a short
one that fails; the suite runs a few.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from etl_assets.core.errors import EtlError
from etl_assets.core.policies import Deletes
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable, versions_of
from etl_assets.pipeline.change_set import ChangeSet
from etl_assets.pipeline.differences import Comparison
from etl_assets.pipeline.match import Match
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.shapes import Shape
from etl_assets_tests.sync.shelf import Shelf
from etl_assets_tests.sync.world import World
from etl_assets_tests.sync.writers import Side

HISTORIES = int(os.environ.get("HISTORIES", "12"))
SEED = int(os.environ.get("SEED", "4"))
# To shorten a history that fails takes many minutes: for whoever looks into one.
PHASES = [Phase.generate, Phase.shrink] if "SHRINK" in os.environ else [Phase.generate]
WORLDS: dict[str, Sequence[Shape]] = {
    "days": [Shape(refuses=True)],
    "nulls in keys, some twice": [Shape(has_part=True, repeats=True)],
    "no days": [Shape(has_days=False, has_part=True, repeats=True, refuses=True)],
    "two databases": [Shape(repeats=True), Shape(has_days=False, has_part=True)],
    "greatest of two, tombstones": [
        Shape(stamped="greatest", refuses=True, deletes=Deletes.TOMBSTONE)
    ],
    "dates, kept rows": [Shape(stamped="date", has_part=True, repeats=True, deletes=Deletes.KEEP)],
    "versions, no days": [Shape(stamped="version", has_days=False, deletes=Deletes.TOMBSTONE)],
    "versions, kept rows": [Shape(stamped="version", refuses=True, deletes=Deletes.KEEP)],
    "epochs and local times": [
        Shape(stamped="milliseconds", repeats=True),
        Shape(stamped="local", has_days=False, has_part=True, deletes=Deletes.KEEP),
    ],
    "seconds": [Shape(stamped="seconds", refuses=True)],
}
"""The tables of each world."""
PLACES = {name: [0, 1] if len(shapes) > 1 else [0] for name, shapes in WORLDS.items()} | {
    "nulls in keys, some twice": [1],
    "no days": [1],
    "dates, kept rows": [1],
}
"""Which database each is in: 0 is the embedded server's, 1 is Debian's, which sorts text by ICU."""


@pytest.fixture
def urls(database_url: str, icu_database_url: str) -> list[str]:
    """A database of the embedded server, one of Debian's."""
    return [database_url, icu_database_url]


@pytest.mark.thorough_but("no days", "two databases")
@pytest.mark.parametrize("world", WORLDS)
def test_after_any_history_the_warehouse_is_the_source(
    world: str, urls: Sequence[str], tmp_path: Path
) -> None:
    number = list(WORLDS).index(world)
    most = -(-HISTORIES // len(WORLDS))
    print(f"seed {SEED}.{number}, {most} histories of {world}")
    run_histories(world, urls, tmp_path, SEED * 100 + number, most)


def blind_to_null(monkeypatch: pytest.MonkeyPatch) -> None:
    join = pl.DataFrame.join

    def forgetful(frame: pl.DataFrame, *given: Any, nulls_equal: bool = False, **more: Any) -> Any:
        return join(frame, *given, **more)

    monkeypatch.setattr(pl.DataFrame, "join", forgetful)


def blind_to_days_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    passing = ChangeSet._passing

    def hasty(changes: ChangeSet, found: Match) -> Any:
        known = changes.before.table_state
        free = replace(known, days_to_reload=None) if known else None
        before = replace(changes.before, table_state=free)
        return passing(replace(changes, before=before), found)

    monkeypatch.setattr(ChangeSet, "_passing", hasty)


def blind_to_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Comparison, "_wrong_quarantine", lambda *_: set[date]())


def blind_to_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "etl_assets.pipeline.match.repeated_among",
        lambda table, frames: next(iter(frames)).select(table.key).clear(),
    )


@pytest.mark.soak
@pytest.mark.parametrize(
    ("fault", "world", "blind"),
    [
        ("R1", "nulls in keys, some twice", blind_to_null),
        ("R5", "days", blind_to_quarantine),
        ("R9", "nulls in keys, some twice", blind_to_repeats),
    ],
    ids=["R1", "R5", "R9"],
)
def test_histories_find_a_fault_whose_mend_is_taken_out(
    fault: str,
    world: str,
    blind: Callable[[pytest.MonkeyPatch], None],
    urls: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blind(monkeypatch)
    with pytest.raises((AssertionError, EtlError, pl.exceptions.PolarsError, ExceptionGroup)):
        run_histories(world, urls, tmp_path, SEED, 300)


def test_r2_a_history_sees_a_day_that_waits_and_is_published_in_part(
    urls: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told step by step: random histories seldom wait longer than the look-back in between."""
    blind_to_days_that_wait(monkeypatch)
    (shape,) = WORLDS["days"]
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    with closing(warehouse), reader_of(urls[0]) as reader:
        shelf = Shelf(urls[0], table_of(shape, 0), warehouse, tmp_path, reader)
        world = World(lambda: [Side(shape, shelf)])
        world.some_rows(rows=6)
        world.sync()
        world.break_or_mend_a_rule(low=2, good=False, silent=False)
        time.sleep(0.1)
        world.sync()
        world.put(key=4, day=0, stamp="now()", v="c", slot=None)
        with pytest.raises(AssertionError, match="waits, and was published in part"):
            world.sync()


def run_histories(world: str, urls: Sequence[str], tmp_path: Path, number: int, most: int) -> None:
    """So many histories of a world, picked by the number; raises what the first bad one does."""
    numbers = count()
    warehouse: DuckDBWarehouse | None = None
    with ExitStack() as stack:
        readers = [stack.enter_context(reader_of(url)) for url in urls]

        def open_sides() -> list[Side]:
            nonlocal warehouse
            if warehouse is not None:
                warehouse.close()
            history = next(numbers)
            shutil.rmtree(tmp_path / f"history-{history - 1}", ignore_errors=True)
            folder = tmp_path / f"history-{history}"
            folder.mkdir()
            warehouse = DuckDBWarehouse(folder / "w.duckdb")
            return [
                Side(
                    shape,
                    Shelf(urls[at], table_of(shape, at), warehouse, folder, readers[at]),
                )
                # A part of the key is text: its order must not matter (ICU's is another).
                for shape, at in zip(WORLDS[world], PLACES[world], strict=True)
            ]

        chosen = settings(
            max_examples=most,
            stateful_step_count=14,
            deadline=None,
            database=None,
            phases=PHASES,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        run_state_machine_as_test(seed(number)(lambda: World(open_sides)), settings=chosen)
        if warehouse is not None:
            warehouse.close()


def table_of(shape: Shape, at: int) -> LayerTable:
    """The shape's table, read from the default database or from the one called billing."""
    table = shape.table()
    if not at:
        return table
    assert isinstance(table.source, PostgresTable)
    table = replace(table, name="billing_shelf", source=replace(table.source, connection="billing"))
    return replace(table, versions=versions_of(table)) if table.versions else table
