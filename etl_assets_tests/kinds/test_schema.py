"""Sixty-odd tables of every kind load, sync and are reconciled: equal to what plain SQL says."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.policies import Deletes
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.names import BIGQUERY_TABLE
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.faults.road import Road
from etl_assets_tests.kinds.schema import Table, tables
from etl_assets_tests.source_tables import reader_of, run

ALL = tables()
FIRST, LAST = date(2024, 1, 1), date(2100, 1, 1)
A_TURN = 9
IN_SCHEMA = 'SET search_path = "s ö"'
TURNS = [ALL[at : at + A_TURN] for at in range(0, len(ALL), A_TURN)]


def in_source(road: Road, kind: Table) -> dict[str, tuple[Any, ...]]:
    """What plain SQL says must be published, by key."""
    rows = run(road.url, "SET timezone = 'UTC'", IN_SCHEMA, kind.select(road.table))
    return {key_of(road.table, row): row for row in rows}


def in_warehouse(road: Road) -> tuple[dict[str, tuple[Any, ...]], set[str]]:
    """What is published, by key, and the keys that are marked as gone."""
    window = Window(FIRST, LAST) if road.table.has_days else Window.of(WHOLE)
    frame = road.warehouse.read(road.table, [window], road._folder()).frames[0].collect()
    marked: set[str] = set()
    mark = road.table.kept_column
    if mark:
        gone = frame.filter(frame[mark].is_not_null()).drop(mark)
        marked = {key_of(road.table, row) for row in gone.iter_rows()}
        frame = frame.drop(mark)
    rows = [tuple(row) for row in frame.iter_rows()]
    found = {key_of(road.table, row): row for row in rows}
    assert len(found) == len(rows), "a key stands twice"
    return found, marked


def key_of(table: LayerTable, row: tuple[Any, ...]) -> str:
    names = [column.name for column in table.columns if column.name != table.kept_column]
    return json.dumps([str(row[names.index(name)]) for name in table.key])


def settle(road: Road) -> None:
    """Sync and reconcile until nothing is pending; a change may be younger than the horizon."""
    for _ in range(40):
        if road.table.syncs:
            road.sync()
        found = road.reconcile(confirmed=True)
        if found.is_equal and not found.now.pending:
            return
    raise AssertionError(found.now)


@pytest.fixture
def roads(backend: Backend, database_url: str, tmp_path: Path) -> Iterator[Any]:
    warehouse = backend.open(tmp_path)
    run(database_url, 'CREATE SCHEMA "s ö"')
    with reader_of(database_url) as reader:

        def paved(kind: Table) -> Road:
            run(database_url, IN_SCHEMA, *kind.create())
            scope = Scope(FIRST)
            return Road(database_url, kind.spec(), warehouse, tmp_path, reader, scope)

        yield paved
    warehouse.close()


def refusals(road: Road) -> str:
    """The sentences with which the warehouse refuses the table's first load."""
    with pytest.raises(WarehouseError) as refused:
        settle(road)
    return str(refused.value)


def as_bigquery_takes_it(paved: Any, kind: Table) -> Road:
    """The table as the refusals say to declare it: BigQuery takes neither some of the names nor a
    NULL in an array, and says so before anything is published."""
    road = paved(kind)
    if not BIGQUERY_TABLE.fullmatch(road.table.name):
        told = refusals(road)
        assert f"BigQuery takes no such name: table {road.table.name!r}" in told
        assert "Use letters, digits, spaces, _ and -" in told
        kind = replace(kind, published_as=f"named {kind.number}")
        road = replace(road, table=kind.spec())
    told = refusals(road)
    assert f"Column 'tags' of {road.table.path} has an array with a NULL in it" in told
    assert "declare the column as plain pl.String" in told
    return replace(road, table=replace(kind, tags_as_text=True).spec())


@pytest.mark.thorough_for("turn3", "turn6")
@pytest.mark.soak_for("bigquery", "postgres", *(f"turn{n}" for n in range(len(TURNS)) if n % 3))
@pytest.mark.parametrize("turn", range(len(TURNS)), ids=lambda n: f"turn{n}")
def test_tables_of_every_kind_are_what_their_source_is(
    roads: Any, backend: Backend, turn: int
) -> None:
    for asked in TURNS[turn]:
        road = as_bigquery_takes_it(roads, asked) if backend.name == "bigquery" else roads(asked)
        kind = replace(asked, tags_as_text=backend.name == "bigquery")
        before = in_source(road, kind)
        assert before, str(kind)
        settle(road)
        assert in_warehouse(road)[0] == before, str(kind)
        run(road.url, IN_SCHEMA, *kind.change())
        after = in_source(road, kind)
        assert after != before, str(kind)
        settle(road)
        published, marked = in_warehouse(road)
        gone = {key: row for key, row in before.items() if key not in after}
        assert gone, str(kind)
        kept = gone if road.table.deletes is Deletes.KEEP else {}
        assert published == {**kept, **after}, str(kind)
        assert marked == set(kept), str(kind)
