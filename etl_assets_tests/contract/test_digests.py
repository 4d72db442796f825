"""What a warehouse computes inside itself: digests, looked up rows, profiles."""

import hashlib
import math
import random
import struct
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl_assets.core.contracts import polars_schema
from etl_assets.core.digests import BUCKETS_SCHEMA, compared, not_compared, row_digests_schema
from etl_assets.core.frames import DAY as DAY_OF_ROWS
from etl_assets.core.frames import DIGEST, ROWS
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse, counted_nulls, profile_schema
from etl_assets_tests.contract.days import DAY, NEXT, ORDERS, at, orders, publish, spooled, staged
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, layer_table

pytestmark = pytest.mark.thorough_for("bigquery")

EVERY = layer_table(
    {
        "day_at": UTC_MOMENT,
        "name": pl.String,
        "id": pl.Int64,
        "small": pl.Int16,
        "middle": pl.Int32,
        "yes": pl.Boolean,
        "cents": pl.Decimal(18, 2),
        "exact": pl.Decimal(38, 9),
        "whole": pl.Decimal(12, 0),
        "moment": UTC_MOMENT,
        "naive": NAIVE,
        "on": pl.Date,
        "hour": pl.Time,
        "raw bytes": pl.Binary,
        "ratio": pl.Float64,
        "rough": pl.Float32,
        "numbers": pl.List(pl.Float64),
        "names": pl.List(pl.String),
        "amounts": pl.List(pl.Decimal(18, 2)),
        "moments": pl.List(UTC_MOMENT),
        "flags": pl.List(pl.Boolean),
        "blobs": pl.List(pl.Binary),
        "extra": pl.String,
    },
    {"extra": {"logical": "json"}},
    name="every",
    key=("id", "name"),
)
"""Every dtype with a canonical text, and JSON, which has none."""

TICK = timedelta(microseconds=1)
FULL: list[dict[str, Any]] = [
    {
        "name": "Ä 日本 🎈 e\u0301\x1f\n'\"\\",
        "id": -(2**63),
        "small": -(2**15),
        "middle": 2**31 - 1,
        "yes": True,
        "cents": Decimal("-0.05"),
        "exact": Decimal("-12345678901234567890.000000001"),
        "whole": Decimal("-999999999999"),
        "moment": datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        "naive": datetime(1, 1, 1, 0, 0, 0, 1),
        "on": date(1969, 12, 31),
        "hour": time(0),
        "raw bytes": b"\x00\xffV",
        "ratio": 0.1,
        "rough": 0.1,
        "numbers": [0.1, -0.0, 5e-324, 1e16, 1e22, math.inf],
        "names": ["", ",", "N", 'a"b', "'", "{x}", "\\", "Ä 日本", "\x1e\x1f"],
        "amounts": [Decimal("1.10"), Decimal("-0.01")],
        "moments": [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)],
        "flags": [True, False],
        "blobs": [b"", b"\x00\xff"],
        "extra": '{"a": 1}',
    },
    {
        "name": "",
        "id": 2**63 - 1,
        "small": 0,
        "middle": -1,
        "yes": False,
        "cents": Decimal("9999999999999999.99"),
        "exact": Decimal("0.100000000"),
        "whole": Decimal(0),
        "moment": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
        "naive": datetime(2024, 3, 31, 2, 30),
        "on": date(1, 1, 1),
        "hour": time(23, 59, 59, 999_999),
        "raw bytes": b"",
        "ratio": -0.0,
        "rough": math.inf,
        "names": [""],
        "extra": "null",
    },
    {
        "name": "N",
        "id": 0,
        "cents": Decimal("-1.10"),
        "exact": Decimal("1E-9"),
        "moment": datetime(1, 1, 1, tzinfo=UTC),
        "naive": datetime(1969, 12, 31, 23, 59, 59, 999_999),
        "on": date(9999, 12, 31),
        "hour": time(12, 0, 0, 1),
    },
    {"name": "only a key", "id": 1},
]


def text(value: Any, dtype: pl.DataType) -> str:
    """The canonical text of `core/digests.py`, in Python."""
    match value:
        case None:
            return "N"
        case float():
            return "VNaN" if math.isnan(value) else f"V{bits(value) if value else 0}"
        case list():
            assert isinstance(dtype, pl.List)
            assert isinstance(dtype.inner, pl.DataType)
            texts = [text(item, dtype.inner) for item in value]
            return "V" + ",".join(t if t == "N" else f"V{md5(t[1:])}" for t in texts)
        case bool():
            return f"V{int(value)}"
        case Decimal():
            assert isinstance(dtype, pl.Decimal)
            return f"V{int(Context(prec=60).scaleb(value, dtype.scale))}"
        case datetime():
            return f"V{(value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // TICK}"
        case date():
            return f"V{(value - date(1970, 1, 1)).days}"
        case time():
            return f"V{(datetime.combine(DAY, value) - datetime.combine(DAY, time())) // TICK}"
        case bytes():
            return f"V{value.hex()}"
    return f"V{value}"


def bits(value: float) -> int:
    number: int = struct.unpack(">q", struct.pack(">d", value))[0]
    return number


def md5(line: str) -> str:
    return hashlib.md5(line.encode(), usedforsecurity=False).hexdigest()


def digest(table: LayerTable, row: dict[str, Any], names: Iterable[str]) -> str:
    line = "\x1f".join(text(row[name], table.column(name).dtype) for name in names)
    return md5(line)


def expected(table: LayerTable, rows: pl.DataFrame, buckets: int) -> list[tuple[Any, ...]]:
    """The buckets of these rows, by day and bucket."""
    found: dict[tuple[date, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows.to_dicts():
        key = digest(table, row, table.key)
        whole = digest(table, row, [column.name for column in compared(table)])
        sums = found[row[table.partition_column].date(), int(key[:8], 16) % buckets]
        for place, more in enumerate((1, int(whole[:8], 16), int(whole[8:16], 16))):
            sums[place] += more
    return sorted((*place, *sums) for place, sums in found.items())


def every(*rows: dict[str, Any], day: date = DAY) -> pl.DataFrame:
    schema = polars_schema(EVERY.columns)
    nothing = {name: [] for name, dtype in schema.items() if isinstance(dtype, pl.List)}
    filled = [
        {name: {"day_at": at(day), **nothing, **row}.get(name) for name in schema} for row in rows
    ]
    return pl.DataFrame(filled, schema=schema)


def test_the_digests_of_every_comparable_dtype_are_what_anybody_computes(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert list(not_compared(EVERY)) == ["extra"]
    rows = every(*FULL)
    publish(warehouse, staged(tmp_path, rows, table=EVERY), table=EVERY)
    for buckets in (1, 3):
        found = warehouse.digests(EVERY, [DAY], buckets).sort("day", "bucket")
        assert found.schema == BUCKETS_SCHEMA
        assert found.rows() == expected(EVERY, rows, buckets)
    by_row = warehouse.row_digests(EVERY, DAY, 3, [0, 1, 2]).sort("id")
    assert by_row.schema == row_digests_schema(EVERY)
    names = [column.name for column in compared(EVERY)]
    assert by_row.rows() == [
        (row["id"], row["name"], digest(EVERY, row, names)) for row in rows.sort("id").to_dicts()
    ]


def test_the_digest_of_a_float_is_of_its_bits(warehouse: Warehouse, tmp_path: Path) -> None:
    chance = random.Random(7)
    given = [
        *(0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 2.225073858507201e-308),
        *(1.7976931348623157e308, math.inf, -math.inf, math.nan, 1e16, 1e22, -1e22, 0.1 + 0.2),
        *(2.0**n * sign for n in range(-1074, 1024, 53) for sign in (1, -1)),
        *(math.nextafter(2.0**n, 0) for n in range(-1022, 1024, 31)),
        *(struct.unpack(">d", chance.randbytes(8))[0] for _ in range(200)),
    ]
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.Float64})
    rows = [(number, at(DAY), value) for number, value in enumerate(given)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    found = warehouse.row_digests(table, DAY, 1, [0]).sort("id")[DIGEST].to_list()
    names = ["id", "day_at", "v"]
    wanted = [digest(table, row, names) for row in frame.to_dicts()]
    wrong = [value for value, one, other in zip(given, found, wanted, strict=True) if one != other]
    assert wrong == []


def test_the_digest_of_a_list_tells_null_from_empty_and_from_text(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    given = [None, [], [None], [""], ["N"], [None, ""], ["", None], ["a,b"], ["a", "b"]]
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.List(pl.String)})
    rows = [(number, at(DAY), value) for number, value in enumerate(given)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    found = warehouse.row_digests(table, DAY, 1, [0]).sort("id")[DIGEST].to_list()
    names = ["id", "day_at", "v"]
    assert found == [digest(table, row, names) for row in frame.to_dicts()]


def test_digests_are_of_the_days_and_buckets_that_were_asked_for(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    frames = [
        orders({n: f"v{n}" for n in range(40)}),
        orders({n: f"v{n}" for n in range(40, 60)}, NEXT),
        orders({n: f"v{n}" for n in range(60, 70)}, NEXT + timedelta(days=1)),
    ]
    days = [DAY, NEXT, NEXT + timedelta(days=1)]
    publish(warehouse, *(staged(tmp_path, f, d) for f, d in zip(frames, days, strict=True)))
    asked = [days[0], days[2], days[2] + timedelta(days=1)]
    found = warehouse.digests(ORDERS, asked, 8).sort("day", "bucket").rows()
    assert found == expected(ORDERS, frames[0].vstack(frames[2]), 8)
    among = {2, 7}
    rows = warehouse.row_digests(ORDERS, DAY, 8, among)
    in_them = [
        key for key in range(40) if int(digest(ORDERS, {"id": key}, ["id"])[:8], 16) % 8 in among
    ]
    assert sorted(rows["id"]) == in_them
    assert 0 < len(in_them) < 40


def test_nothing_published_has_no_digests_no_profile_and_no_rows(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    def asked() -> None:
        buckets = warehouse.digests(ORDERS, [DAY], 4)
        assert (buckets.schema, buckets.height) == (BUCKETS_SCHEMA, 0)
        rows = warehouse.row_digests(ORDERS, DAY, 4, [0])
        assert (rows.schema, rows.height) == (row_digests_schema(ORDERS), 0)
        profile = warehouse.profile(ORDERS, [DAY])
        assert profile.height == 0
        assert profile.schema == profile_schema(counted_nulls(ORDERS))
        keys = spooled(tmp_path, pl.DataFrame({"id": [1]}))
        found = warehouse.lookup(ORDERS, keys, tmp_path / "found").collect()
        assert (found.schema, found.height) == (polars_schema(ORDERS.columns), 0)
        assert warehouse.quarantined(ORDERS).height == 0

    asked()
    warehouse.ensure(ORDERS)
    asked()
    publish(warehouse, staged(tmp_path, orders({2: "two"})))
    for nothing in (
        warehouse.digests(ORDERS, [], 4),
        warehouse.row_digests(ORDERS, DAY, 4, []),
        warehouse.profile(ORDERS, []),
        warehouse.lookup(ORDERS, spooled(tmp_path), tmp_path / "none").collect(),
    ):
        assert nothing.height == 0


def test_rows_are_looked_up_by_key_on_whatever_day(warehouse: Warehouse, tmp_path: Path) -> None:
    there = every(FULL[0], FULL[2])
    elsewhere = every(FULL[1], FULL[3], day=NEXT)
    publish(
        warehouse,
        staged(tmp_path, there, table=EVERY),
        staged(tmp_path, elsewhere, NEXT, table=EVERY),
        table=EVERY,
    )
    keys = spooled(tmp_path)
    for row in (FULL[0], FULL[1], {"id": 0, "name": "another"}, FULL[0]):
        keys.write(pl.DataFrame({"name": [row["name"]], "id": [row["id"]]}))
        keys.close()
    found = warehouse.lookup(EVERY, keys, tmp_path / "it's found").collect()
    wanted = every(FULL[0]).vstack(every(FULL[1], day=NEXT)).sort("id")
    # JSON comes back as what it says, not letter by letter.
    assert_frame_equal(found.sort("id").drop("extra"), wanted.drop("extra"))


def test_a_profile_counts_rows_and_nulls_by_day(warehouse: Warehouse, tmp_path: Path) -> None:
    blank = orders({3: "x", 4: "y"}, NEXT).with_columns(
        v=pl.lit(None, dtype=pl.String),
        updated_at=pl.when(pl.col("id") == 3).then(pl.col("updated_at")),
    )
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one", 2: "two", 5: "three"})),
        staged(tmp_path, blank, NEXT),
    )
    asked = [DAY, NEXT, NEXT + timedelta(days=1)]
    found = warehouse.profile(ORDERS, asked).sort(DAY_OF_ROWS)
    assert found.columns == [DAY_OF_ROWS, ROWS, "day_at", "v", "updated_at"]
    assert found.rows() == [(DAY, 3, 0, 0, 0), (NEXT, 2, 0, 2, 1)]
    assert warehouse.profile(ORDERS, [NEXT]).rows() == [(NEXT, 2, 0, 2, 1)]
