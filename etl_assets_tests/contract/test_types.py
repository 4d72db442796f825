"""Every dtype that a contract may declare comes back from a warehouse exactly as it went in."""

import json
import math
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import DAY, at, publish, published, staged
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, layer_table

INTEGERS = {pl.Int16: 16, pl.Int32: 32, pl.Int64: 64}
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "boolean": (pl.Boolean, [True, False, None]),
    **{
        f"int{bits}": (dtype, [-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1, None])
        for dtype, bits in INTEGERS.items()
    },
    "float32": (pl.Float32, [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, None]),
    "float64": (
        pl.Float64,
        [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, None],
    ),
    "decimal(38,9)": (
        pl.Decimal(38, 9),
        [Decimal("99999999999999999999999999999.999999999"), Decimal("-0.000000001"), None],
    ),
    "decimal(18,2)": (pl.Decimal(18, 2), [Decimal("9999999999999999.99"), Decimal("0.00"), None]),
    "decimal(38,0)": (pl.Decimal(38, 0), [Decimal("9" * 38), Decimal("-" + "9" * 38)]),
    "decimal(38,38)": (pl.Decimal(38, 38), [Decimal("0." + "9" * 38), Decimal("-0." + "01" * 19)]),
    "date": (pl.Date, [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None]),
    "time": (pl.Time, [time(0), time(23, 59, 59, 999_999), None]),
    "moment": (
        UTC_MOMENT,
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
            datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
            None,
        ],
    ),
    "naive": (
        NAIVE,
        [datetime(1, 1, 1), datetime(2024, 3, 31, 2, 30), datetime(9999, 12, 31, 23, 59), None],
    ),
    "text": (
        pl.String,
        ["", " ", "NULL", "\\N", "a\tb\r\nc", "quote \" and '", "ÄÖ€ 日本 🎈", "e\u0301", None],
    ),
    "bytes": (pl.Binary, [b"", b"\x00\xff\x00", b"plain", None]),
    "list of bytes": (pl.List(pl.Binary), [[b"", b"\x00\xff", b"plain"], []]),
    "list of int64": (pl.List(pl.Int64), [[], [1, None, -(2**63)], [None], None]),
    "list of text": (pl.List(pl.String), [[], ["", None, "a,b]["], None]),
    "list of decimal": (pl.List(pl.Decimal(38, 9)), [[Decimal("0.000000001"), None], [], None]),
    "list of moments": (pl.List(UTC_MOMENT), [[datetime(2024, 1, 1, tzinfo=UTC), None], None]),
    "list of structs": (
        pl.List(pl.Struct({"sku": pl.String, "amount": pl.Decimal(18, 2)})),
        [[{"sku": 'a"b', "amount": Decimal("0.10")}], []],
    ),
    "list without nulls": (pl.List(pl.String), [["", "a,b]["], [], ["NULL", "{}", '"\\']]),
    "struct": (
        pl.Struct({"x": pl.Int64, "y z": pl.String, "at": UTC_MOMENT}),
        [
            {"x": -(2**63), "y z": "", "at": datetime(2024, 1, 1, tzinfo=UTC)},
            {"x": None, "y z": None, "at": None},
        ],
    ),
    "struct of structs": (
        pl.Struct({"a": pl.Struct({"b": pl.List(pl.Float64)}), "d": pl.Date}),
        [{"a": {"b": [0.1, 1e300]}, "d": date(2024, 2, 29)}],
    ),
    "list of lists": (pl.List(pl.List(pl.Int32)), [[[1], [], None], None]),
}


QUICK_ELSEWHERE = [
    "boolean",
    "int",
    "float32",
    "decimal(18,2)",
    "date",
    "time",
    "bytes",
    "list without nulls",
    "float64",
    "moment",
    "naive",
    "struct",
    "list of bytes",
]
"""What the emulator shows nothing new about; matched by how the name begins."""


def bits(value: Any) -> Any:
    """A value that is equal only to itself: 0.0 is not -0.0, NaN is NaN."""
    return struct.pack(">d", value) if isinstance(value, float) else value


# On BigQuery a table for each takes seconds: the default run has the dtypes that are alone there.
@pytest.mark.soak_for(*(f"bigquery-{kind}" for kind in QUICK_ELSEWHERE))
@pytest.mark.parametrize("kind", VALUES)
def test_c16_m12_every_dtype_comes_back_exactly(
    warehouse: Warehouse, tmp_path: Path, kind: str
) -> None:
    dtype, given = VALUES[kind]
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": dtype})
    rows = [(number, at(DAY), value) for number, value in enumerate(given)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    found = published(warehouse, tmp_path, table=table)
    assert found.schema == frame.schema
    assert [bits(value) for value in found["v"].to_list()] == [bits(value) for value in given]


def test_c16_json_comes_back_as_what_it_says(warehouse: Warehouse, tmp_path: Path) -> None:
    given = [
        '{"big": 9007199254740993, "price": 0.1, "text": "ÄÖ \\"🎈\\"", "deep": [[], {}, null]}',
        "null",
        '""',
        "-0.5",
        "[true, false]",
        None,
    ]
    table = layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, {"v": {"logical": "json"}}
    )
    rows = [(number, at(DAY), text) for number, text in enumerate(given)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    found = published(warehouse, tmp_path, table=table)["v"].to_list()
    # A JSON null is not a missing value.
    assert [text if text is None else json.loads(text) for text in found] == [
        text if text is None else json.loads(text) for text in given
    ]


def test_c16_numbers_in_json_keep_all_digits(warehouse: Warehouse, tmp_path: Path) -> None:
    given = '{"big": 123456789012345678901234567890, "exact": 0.10000000000000000000001}'
    table = layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, {"v": {"logical": "json"}}
    )
    schema = polars_schema(table.columns)
    frame = pl.DataFrame([(1, at(DAY), given)], schema=schema, orient="row")
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    (text,) = published(warehouse, tmp_path, table=table)["v"]
    assert json.loads(text, parse_float=Decimal) == json.loads(given, parse_float=Decimal)


def test_c16_an_empty_day_has_the_dtypes_of_a_full_one(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    test = test_c16_m12_every_dtype_comes_back_exactly.__name__
    dtypes = {
        f"c{number}": dtype
        for number, (kind, (dtype, _)) in enumerate(VALUES.items())
        if backend.can(test, kind)
    }
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, **dtypes})
    schema = polars_schema(table.columns)
    assert published(warehouse, tmp_path, table=table).schema == schema
    publish(warehouse, staged(tmp_path, pl.DataFrame(schema=schema), table=table), table=table)
    found = published(warehouse, tmp_path, table=table)
    assert (found.schema, found.height) == (schema, 0)
    extract = warehouse.read(table, [Window.of(DAY)], tmp_path / "lazy")
    assert extract.frames[0].collect_schema() == schema


def test_a_dtype_that_no_column_holds_is_refused_by_name(warehouse: Warehouse) -> None:
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.Duration("us")})
    with pytest.raises(WarehouseError, match="Duration"):
        warehouse.ensure(table)
    assert warehouse.state() == []
