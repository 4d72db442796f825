"""Each way to tell a row's day, on every road: load, sync with moves, reconciliation (C8, C18)."""

from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.partitions import Window
from etl_assets.core.scope import Scope
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.day_kinds import KINDS, DayKind
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf

DAYS = [FIRST_DAY + timedelta(days=n) for n in range(9)]
OTHER_ROADS = ("zoned", "business day", "digits")
"""The kinds that are tried without a cursor, and on PostgreSQL as the warehouse, as well."""


SOAKED = ("timestamptz", "local", "parent's date", "moment of a number")
"""The kinds that others stand for in the default run."""


def published(shelf: Shelf) -> dict[date, list[int]]:
    """The ids by the day that they are published on."""
    found = {}
    for state in shelf.warehouse.state(shelf.table):
        day, folder = state.partition_key, shelf.folder / f"read-{state.partition_key}"
        (frame,) = shelf.warehouse.read(shelf.table, [Window.of(day)], folder).frames
        ids = frame.select(pl.col("id").sort()).collect()["id"].to_list()
        if ids:
            found[day] = ids
    return found


def check(shelf: Shelf, kind: DayKind) -> None:
    """What is published is what SQL of its own says, day for day."""
    assert published(shelf) == dict(shelf.sql(kind.by_day()))


def change(
    shelf: Shelf, kind: DayKind, value: str, where: str, stamp: str = "clock_timestamp()"
) -> None:
    """Give rows another value."""
    shelf.sql(f"UPDATE things SET {kind.column} = {value}, updated_at = {stamp} WHERE {where}")


def cases() -> list[object]:
    """The roads of each kind."""
    kinds = {kind.name: kind for kind in KINDS}
    tried = [("duckdb", kind, "updated_at") for kind in KINDS]
    tried += [("duckdb", kinds[name], None) for name in OTHER_ROADS]
    tried += [("postgres", kinds[name], "updated_at") for name in OTHER_ROADS]
    tried.append(("bigquery", kinds["business day"], "updated_at"))  # two minutes of the emulator
    seldom = [("bigquery", "business day", "updated_at"), ("postgres", "zoned", "updated_at")]
    seldom += [("duckdb", name, None) for name in ("zoned", "digits")]
    seldom += [("duckdb", name, "updated_at") for name in SOAKED]
    return [
        pytest.param(
            *(backend, kind, cursor),
            id=f"{backend}-{kind}{'' if cursor else ' alone'}",
            marks=[pytest.mark.soak] if (backend, kind.name, cursor) in seldom else [],
        )
        for backend, kind, cursor in tried
    ]


@pytest.mark.thorough_but("duckdb-business day of the parent", "duckdb-digits")
@pytest.mark.parametrize(("backend", "kind", "cursor"), cases(), indirect=["backend"])
def test_c18_c8_a_row_is_on_its_day_by_load_sync_and_reconciliation(
    backend: Backend, database_url: str, tmp_path: Path, kind: DayKind, cursor: str | None
) -> None:
    with reader_of(database_url) as reader, closing(backend.open(tmp_path)) as warehouse:
        shelf = Shelf(
            database_url, kind.table(cursor), warehouse, tmp_path, reader, scope=Scope(FIRST_DAY)
        )
        shelf.sql(*kind.create())
        shelf.sql(
            f"INSERT INTO things SELECT n, {kind.at('n * 2 - 3')}, now() - interval '1 h', 'v' "
            "FROM generate_series(1, 60) n",
            *[
                f"INSERT INTO things VALUES ({900 + n}, {value}, now() - interval '1 h', 'v')"
                for n, value in enumerate(kind.nowhere)
            ],
        )
        shelf.reload(*DAYS)
        check(shelf, kind)
        found = shelf.reconcile(repair=False)
        assert found.is_equal
        assert found.differences.without_day == len(kind.nowhere)

        if cursor:  # to another day, to none, from none, to one before the first; and a new row
            shelf.sync()
            change(shelf, kind, kind.at("id * 2 + 20"), "id < 9")
            change(shelf, kind, kind.nowhere[0], "id IN (10, 11)")
            change(shelf, kind, kind.at("30"), "id = 900")
            change(shelf, kind, kind.at("-48"), "id IN (12, 40)")
            shelf.sql(f"INSERT INTO things VALUES (1000, {kind.at('170')})")
            shelf.sync()
            check(shelf, kind)

        # The same without a word to the cursor: only a reconciliation finds it.
        change(shelf, kind, kind.at("id * 2 + 25"), "id BETWEEN 20 AND 25", "updated_at")
        change(shelf, kind, kind.nowhere[1], "id = 26", "updated_at")
        shelf.sql(
            "DELETE FROM things WHERE id = 30",
            f"INSERT INTO things VALUES (1001, {kind.at('100')}, '2020-01-01', 'old')",
        )
        assert shelf.reconcile().is_equal
        check(shelf, kind)
        assert shelf.reconcile(repair=False).differences.is_equal
