"""Core inserts and COPY: they leave the same rows behind, and volume decides."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from etl_assets.core.contracts import polars_schema
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import PostgresWarehouse, write_paths
from etl_assets.warehouse.postgres.types import column_type, encoded
from etl_assets.warehouse.postgres.write_paths import Target
from etl_assets_tests.contract.test_types import VALUES
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run

MANY = Target(
    "public", "versions", {"id": "bigint", "at": "timestamp with time zone", "v %s": "text"}
)
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
Row = tuple[int, datetime | None, str]


@pytest.fixture
def prepared(warehouse: PostgresWarehouse) -> PostgresWarehouse:
    warehouse.migrate()  # for the schema of staging tables
    return warehouse


def make(url: str, target: Target, key: str) -> None:
    columns = ", ".join(f'"{name}" {type_}' for name, type_ in target.types.items())
    run(url, f"CREATE TABLE {target.schema}.{target.name} ({columns}, PRIMARY KEY ({key}))")


def within(warehouse: PostgresWarehouse, work: Callable[[sa.Connection], Any]) -> Any:
    return warehouse.transactions.run("testing", work)


def of_all_dtypes() -> tuple[LayerTable, pl.DataFrame]:
    """A table with a column of every dtype that a contract may declare, and rows of them."""
    dtypes = {f"a {number}%": dtype for number, (dtype, _) in enumerate(VALUES.values())}
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, **dtypes})
    longest = max(len(given) for _, given in VALUES.values())
    columns = {
        f"a {number}%": [given[n] if n < len(given) else None for n in range(longest)]
        for number, (_, given) in enumerate(VALUES.values())
    }
    ids = list(range(longest))
    frame = pl.DataFrame(
        {"id": ids, "day_at": [NOON] * longest, **columns}, schema=polars_schema(table.columns)
    )
    return table, frame


def test_core_and_copy_leave_the_same_rows(prepared: PostgresWarehouse, database_url: str) -> None:
    table, frame = of_all_dtypes()
    types = {column.name: column_type(column) for column in table.columns}
    rows = encoded(frame, table.columns)
    for name, way in (
        ("core", lambda c, t: write_paths.insert_core(c, t, rows)),
        ("copied", lambda c, t: write_paths.copy(c, t, [rows])),
    ):
        target = Target("public", name, types)
        make(database_url, target, "id")
        assert within(prepared, lambda c, w=way, t=target: w(c, t)) == frame.height
    texts = [
        run(database_url, f"SELECT t::text FROM {name} AS t ORDER BY id")
        for name in ("core", "copied")
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == frame.height


def rows_of(*rows: Row) -> pl.DataFrame:
    schema = {"id": pl.Int64, "at": UTC_MOMENT, "v %s": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


@pytest.mark.parametrize("rows", [0, 1, 29, 30, 1000])
def test_volume_decides(
    prepared: PostgresWarehouse, database_url: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(database_url, MANY, "id")
    frame = rows_of(*((n, NOON, "v") for n in range(rows)))
    statements: list[str] = []
    engine = prepared.transactions.engine
    sa.event.listen(
        engine, "before_cursor_execute", lambda c, cursor, text, *_: statements.append(text)
    )
    within(prepared, lambda c: write_paths.insert(c, MANY, [frame], rows))
    by_core = [text for text in statements if text.startswith("INSERT")]
    assert bool(by_core) == (0 < rows < write_paths.COPY_FROM_ROWS)
    assert run(database_url, "SELECT count(*) FROM versions") == [(rows,)]


def test_core_sends_many_rows_in_a_statement(
    prepared: PostgresWarehouse, database_url: str
) -> None:
    make(database_url, MANY, "id")
    sizes: list[int] = []
    sa.event.listen(
        prepared.transactions.engine,
        "before_cursor_execute",
        lambda c, cursor, text, *_: sizes.append(text.count("CAST")),
    )
    frame = rows_of(*((n, NOON, "v") for n in range(250)))
    within(prepared, lambda c: write_paths.insert_core(c, MANY, frame))
    assert sizes == [300, 300, 150]
