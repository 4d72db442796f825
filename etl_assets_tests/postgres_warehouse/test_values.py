"""Values beyond the common suite: more that come back exactly, and what is refused instead."""

import math
import random
from datetime import date, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.contract.days import DAY, at, publish, published, staged
from etl_assets_tests.hazards.test_source_failures import CANARY, told
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table


def table_of(dtype: Any, **options: Any) -> LayerTable:
    dtypes = {"id": pl.Int64, "day_at": UTC_MOMENT, "v": dtype}
    return layer_table(dtypes, {"v": options})


NESTED = pl.Struct({"x": pl.Float64})
REFUSED = {
    "zero byte": (pl.String, {}, f"a\0{CANARY}", "zero byte"),
    "zero byte in a list": (pl.List(pl.String), {}, ["a", f"\0{CANARY}"], "zero byte"),
    "nanoseconds": (pl.Time, {}, None, "microsecond"),
    "NaN in a struct": (NESTED, {}, {"x": math.nan}, "NaN"),
    "infinity in a nested list": (pl.List(pl.List(pl.Float32)), {}, [[math.inf]], "NaN"),
    "no JSON": (pl.String, {"logical": "json"}, f"{{{CANARY}", "22P02"),
    "an index row too long": (pl.String, {}, None, "54000"),
}


@pytest.mark.parametrize("many", [False, True], ids=["core", "copy"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_value_that_cannot_be_kept_exactly_is_refused_and_not_quoted(
    warehouse: PostgresWarehouse, tmp_path: Path, case: str, many: bool, caplog: Any
) -> None:
    dtype, options, value, words = REFUSED[case]
    table = table_of(dtype, **options)
    if case == "an index row too long":
        value = "".join(chr(random.randrange(33, 0x2FFF)) for _ in range(9000)) + CANARY
        table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": dtype}, key=("v",))
    is_key = "v" in table.key  # of a key NULL may be there once
    others = [(n, at(DAY), str(n) if is_key else None) for n in range(100 if many else 0)]
    rows = [*others, (200, at(DAY), value)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    if case == "nanoseconds":
        frame = frame.with_columns(v=pl.lit(1, pl.Int64).cast(pl.Time))
    with pytest.raises(WarehouseError, match=words) as caught:
        publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    assert CANARY not in told(caught.value, caplog)
    assert published(warehouse, tmp_path, table=table).height == 0


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        (pl.List(pl.Float64), [math.nan, math.inf, -math.inf, -0.0, None, 5e-324]),
        (pl.List(pl.Boolean), [True, None, False]),
        (pl.List(pl.Binary), [b"", b'\x00\\"', None]),
        (pl.List(pl.Date), [date(1, 1, 1), None]),
        (pl.List(pl.Time), [time(23, 59, 59, 999_999), None]),
        (pl.List(pl.Datetime("us")), [None]),
        (pl.Struct({"b": pl.Binary, "s": pl.String}), {"b": b"\x00\xff", "s": '\0 \\u0000 "'}),
    ],
)
def test_c16_more_lists_and_structs_come_back_exactly(
    warehouse: PostgresWarehouse, tmp_path: Path, dtype: Any, given: Any
) -> None:
    table = table_of(dtype)
    frame = pl.DataFrame(
        [(1, at(DAY), given), (2, at(DAY), None)], schema=polars_schema(table.columns), orient="row"
    )
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    found = published(warehouse, tmp_path, table=table)
    assert repr(found["v"].to_list()) == repr(frame["v"].to_list())
