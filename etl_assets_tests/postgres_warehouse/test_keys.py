"""Keys whose columns may be NULL: NULL is equal to NULL wherever rows are compared by their key."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable, versions_of
from etl_assets.warehouse.postgres import PostgresWarehouse, schema
from etl_assets.warehouse.postgres.types import same_key
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    at,
    bring,
    changes_of,
    publish,
    published,
    spooled,
    staged,
    token_of,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run

LATER = AS_OF + timedelta(hours=1)
PLAIN = {"id": pl.Int64, "line": pl.Int32, "day_at": UTC_MOMENT, "v": pl.String}
LINES = replace(
    layer_table(
        {**PLAIN, "updated_at": UTC_MOMENT},
        {"id": {"nullable": False}},
        key=("id", "line"),
        name="lines",
    ),
    cursor_column="updated_at",
)
"""id, line, day_at, v, updated_at; of the key (id, line), line may be NULL."""

LOOSE = replace(
    layer_table({**PLAIN, "updated_at": UTC_MOMENT}, key=("line",), name="loose"),
    cursor_column="updated_at",
)
"""The same columns; the key is line alone, which may be NULL."""

Key = tuple[int, int | None]


def lines(
    rows: dict[Key, str],
    day: date = DAY,
    updated: datetime | None = None,
    table: LayerTable = LINES,
) -> pl.DataFrame:
    """Rows in the middle of the day, `v` by key."""
    made = [(key, line, at(day), v, updated or at(day)) for (key, line), v in rows.items()]
    return pl.DataFrame(made, schema=polars_schema(table.columns), orient="row")


def found(
    warehouse: PostgresWarehouse, folder: Path, *days: date, table: LayerTable = LINES
) -> dict[Key, str]:
    frame = published(warehouse, folder, *days, table=table)
    rows = {(key, line): v for key, line, v in frame.select("id", "line", "v").iter_rows()}
    assert len(rows) == frame.height, "a key is there twice"
    return rows


@pytest.mark.parametrize("table", [LINES, LOOSE], ids=["part of it", "all of it"])
def test_c8_a_key_with_null_moves_to_the_day_where_its_newer_version_is(
    warehouse: PostgresWarehouse, tmp_path: Path, table: LayerTable
) -> None:
    before = lines({(1, None): "old", (1, 2): "stays"})
    publish(warehouse, staged(tmp_path, before, table=table), table=table)
    moved = lines({(1, None): "moved"}, NEXT, LATER)
    publish(warehouse, staged(tmp_path, moved, NEXT, table=table, as_of=LATER), table=table)
    assert found(warehouse, tmp_path, DAY, NEXT, table=table) == {
        (1, None): "moved",
        (1, 2): "stays",
    }
    assert [state.row_count for state in warehouse.state(table)] == [1, 1]


@pytest.mark.parametrize("table", [LINES, LOOSE], ids=["part of it", "all of it"])
def test_c8_an_older_version_of_a_key_with_null_is_left_out(
    warehouse: PostgresWarehouse, tmp_path: Path, table: LayerTable
) -> None:
    newer = lines({(1, None): "newer"}, NEXT, LATER)
    publish(warehouse, staged(tmp_path, newer, NEXT, table=table), table=table)
    older = lines({(1, None): "older", (1, 5): "comes"})
    publish(warehouse, staged(tmp_path, older, table=table), table=table)
    assert found(warehouse, tmp_path, DAY, NEXT, table=table) == {
        (1, None): "newer",
        (1, 5): "comes",
    }
    assert [state.row_count for state in warehouse.state(table)] == [1, 1]


def test_changes_find_the_rows_of_keys_with_null(
    warehouse: PostgresWarehouse, tmp_path: Path
) -> None:
    before = {(1, None): "old", (1, 2): "stays", (3, None): "goes", (4, None): "stays"}
    publish(warehouse, staged(tmp_path, lines(before), table=LINES), table=LINES)
    day = staged(tmp_path, lines({(1, None): "new"}, updated=LATER), table=LINES, row_count=3)
    gone = lines({(3, None): "goes"})
    changed = changes_of(tmp_path, token_of(warehouse, LINES), gone=gone, table=LINES)
    bring(warehouse, changed, day, table=LINES)
    assert found(warehouse, tmp_path) == {(1, None): "new", (1, 2): "stays", (4, None): "stays"}


def test_rows_are_looked_up_by_keys_with_null(warehouse: PostgresWarehouse, tmp_path: Path) -> None:
    rows = {(1, None): "a", (1, 1): "b", (2, None): "c", (2, 2): "d"}
    publish(warehouse, staged(tmp_path, lines(rows), table=LINES), table=LINES)
    asked = pl.DataFrame(
        [(1, None), (2, 2), (9, None)],
        schema={"id": pl.Int64, "line": pl.Int32},
        orient="row",
    )
    frame = warehouse.lookup(LINES, spooled(tmp_path, asked), tmp_path / "found").collect()
    assert sorted(frame["v"]) == ["a", "d"]


def test_a_version_of_a_key_with_null_is_kept_once(
    warehouse: PostgresWarehouse, tmp_path: Path
) -> None:
    table = replace(LINES, versions=versions_of(LINES))
    for _ in range(2):
        day = staged(tmp_path, lines({(1, None): "a", (1, 1): "b"}), table=table)
        publish(warehouse, day, table=table)
    newer = lines({(1, None): "a2", (1, 1): "b"}).with_columns(
        updated_at=pl.when(pl.col("v") == "a2").then(pl.lit(LATER)).otherwise("updated_at")
    )
    publish(warehouse, staged(tmp_path, newer, table=table, as_of=LATER), table=table)
    states = warehouse.state(versions_of(LINES))
    assert [(state.partition_key, state.row_count) for state in states] == [
        (DAY, 2),
        (LATER.date(), 1),
    ]


@pytest.mark.parametrize("table", [LINES, LOOSE], ids=["part of it", "all of it"])
def test_two_rows_of_one_key_with_null_are_refused(
    warehouse: PostgresWarehouse, tmp_path: Path, table: LayerTable
) -> None:
    twice = pl.concat([lines({(1, None): "a"}), lines({(1, None): "b"})])
    with pytest.raises(WarehouseError, match="23505"):
        publish(warehouse, staged(tmp_path, twice, table=table), table=table)
    assert found(warehouse, tmp_path, table=table) == {}


def test_a_server_that_cannot_keep_such_keys_unique_is_refused_by_name(
    warehouse: PostgresWarehouse, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_NULLS_NOT_DISTINCT", 9_900_00)
    with pytest.raises(WarehouseError, match=r"key of raw/lines .* NULL \(line\).* PostgreSQL 15"):
        warehouse.ensure(LINES)
    assert run(database_url, "SELECT to_regclass('raw.lines')") == [(None,)]
    required = layer_table(PLAIN, {key: {"nullable": False} for key in ("id", "line")})
    warehouse.ensure(required)


@pytest.mark.parametrize("table", [LINES, LOOSE], ids=["part of it", "all of it"])
def test_keys_with_null_are_compared_by_hash_and_not_each_with_each(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path, table: LayerTable
) -> None:
    rows = {(n, None if n == 7 else n): "v" for n in range(3000)}
    publish(warehouse, staged(tmp_path, lines(rows), table=table), table=table)
    condition = same_key(table, "s", "t").as_string()
    query = (
        f"EXPLAIN SELECT count(*) FROM raw.{table.name} AS t WHERE EXISTS "
        f"(SELECT FROM raw.{table.name} AS s WHERE {condition})"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ANALYZE raw.{table.name}".encode())
        plan = "\n".join(line for (line,) in connection.execute(query.encode()))
    assert "Hash" in plan
    assert "Nested Loop" not in plan
    count = query.removeprefix("EXPLAIN ")
    assert run(database_url, count) == [(3000,)]


@pytest.mark.parametrize(
    ("dtype", "one", "other"),
    [
        (pl.Float64, 0.0, float("nan")),
        (pl.Decimal(10, 2), None, "1.50"),
        (pl.Binary, b"", b"\x00"),
        (pl.String, "", "NULL"),
        (pl.Date, date(1, 1, 1), date(9999, 12, 31)),
        (pl.Boolean, False, True),
    ],
)
def test_values_of_every_kind_are_told_from_null(
    warehouse: PostgresWarehouse, tmp_path: Path, dtype: pl.DataType, one: object, other: object
) -> None:
    table = layer_table({"k": dtype, "day_at": UTC_MOMENT, "v": pl.String}, key=("k",))
    series = pl.Series("k", [None if one is None else one, other, None][one is None :])
    frame = pl.DataFrame({"k": series.cast(dtype)}).with_columns(
        day_at=pl.lit(at(DAY), UTC_MOMENT), v=pl.lit("v")
    )
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    asked = spooled(tmp_path, frame.select("k"))
    back = warehouse.lookup(table, asked, tmp_path / "all").collect()
    assert back.height == frame.height
    null = spooled(tmp_path, frame.select("k").filter(pl.col("k").is_null()))
    alone = warehouse.lookup(table, null, tmp_path / "null").collect()
    assert alone["k"].to_list() == [None]
