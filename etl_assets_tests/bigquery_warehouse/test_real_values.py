"""What only the real BigQuery can answer about values, names and keys: what went comes back."""

import json
import random
from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest
from google.cloud.bigquery import ArrayQueryParameter
from polars.testing import assert_frame_equal

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery import given, spooled
from etl_assets.warehouse.bigquery.types import parsed
from etl_assets_tests.bigquery_warehouse.conftest import WAYS, publish_by
from etl_assets_tests.bigquery_warehouse.keys import keys_are_matched
from etl_assets_tests.bigquery_warehouse.real import BIGQUERY_REAL, Real, own
from etl_assets_tests.contract.days import (
    DAY,
    ORDERS,
    at,
    orders,
    publish,
    published,
    staged,
    values,
)
from etl_assets_tests.contract.test_types import VALUES, bits
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

pytestmark = BIGQUERY_REAL

DTYPES = {
    "decimals": ["decimal(38,0)", "decimal(38,9)", "decimal(38,38)", "decimal(18,2)"],
    "times": ["date", "time", "moment", "naive"],
    "numbers": ["boolean", "int16", "int32", "int64", "float32", "float64"],
    "text": ["text", "bytes", "list of bytes"],
    "nested": ["list without nulls", "list of structs", "struct", "struct of structs"],
}


def wide(kinds: Sequence[str]) -> tuple[LayerTable, pl.DataFrame]:
    """A table with a column of each kind, and rows that hold all its values."""
    dtypes = {f"c{number}": VALUES[kind][0] for number, kind in enumerate(kinds)}
    table = own(layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, **dtypes}))
    given = [VALUES[kind][1] for kind in kinds]
    rows = [
        (number, at(DAY), *(values[number % len(values)] for values in given))
        for number in range(max(map(len, given)))
    ]
    return table, pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")


@pytest.mark.parametrize("group", DTYPES)
def test_values_are_exact(real: Real, group: str) -> None:
    """NUMERIC, BIGNUMERIC, DATETIME, TIME, BYTES and nested values come back as they went."""
    table, frame = wide(DTYPES[group])
    warehouse = real.warehouse()
    publish(warehouse, staged(real.folder, frame, table=table), table=table)
    found = published(warehouse, real.folder, table=table)
    assert found.schema == frame.schema
    for kind, name in zip(DTYPES[group], frame.columns[2:], strict=True):
        there, given = found[name].to_list(), frame[name].to_list()
        assert [*map(bits, there)] == [*map(bits, given)], kind


NAMES = ["two words", "naïve_日本", "per%cent", "it's", "a-b", "#1 & <x>=y|z:+", "UPPER", "select"]


@pytest.mark.parametrize("way", WAYS)
def test_flexible_names_load(real: Real, way: str) -> None:
    """Columns named with spaces, signs and any letters are loaded, replaced and changed."""
    dtypes = {"the id": pl.Int64, "day at": UTC_MOMENT, **dict.fromkeys(NAMES, pl.String)}
    table = own(layer_table(dtypes, partition="day at", key=("the id",)))
    rows = [(number, at(DAY), *NAMES) for number in range(2)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    warehouse = real.warehouse()
    publish(warehouse, staged(real.folder, frame.head(1), table=table), table=table)
    more = frame if way == "replace" else frame.tail(1)
    publish_by(way, warehouse, staged(real.folder, more, table=table), table)
    assert_frame_equal(published(warehouse, real.folder, table=table), frame)


_CHANCE = random.Random(1)
NUMBERS = {
    "integers": [str(n) for n in (2**64 - 1, 2**63, 2**63 - 1, -(2**63), 2**53 + 1, 0)] + ["-0"],
    "17 digits": ["12345678.901234567", "0.30000000000000004", "0.10000000000000001", "1.0e2"],
    # The service's own text of a double is not always the shortest: these are said to be refused.
    "fractions": ["0.2002386475503002", "-0.707176497086", "0.0928069675519494", "0.1", "-0.0"],
    "random fractions": [repr(_CHANCE.uniform(-1, 1)) for _ in range(2000)],
    "random amounts": [repr(round(_CHANCE.uniform(0, 1e9), 2)) for _ in range(2000)],
    "extremes": ["5e-324", "1.7976931348623157e308", "-1.5E-300", "1e22", "1e400", "1e-400"],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_json_numbers_are_kept(real: Real, kind: str) -> None:
    """Each JSON number that our validation lets through is accepted and comes back equal."""
    column = {"v": {"logical": "json", "nullable": True}}
    table = own(layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, column))
    sent = [text for text in NUMBERS[kind] if is_let_through(table, text)]
    assert {"12345678.901234567", str(2**64 - 1), "0.1"} & set(sent) or kind not in list(NUMBERS)[
        :3
    ]
    refused = real.query(
        f"SELECT s.v FROM (SELECT v FROM UNNEST(@texts) AS v) AS s "
        f"WHERE SAFE.{parsed(table.column('v'), 's')} IS NULL",
        query_parameters=[ArrayQueryParameter("texts", "STRING", sent)],
    )
    assert [row[0] for row in refused.result()] == []
    rows = [(number, at(DAY), text) for number, text in enumerate(sent)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(real.warehouse(), staged(real.folder, frame, table=table), table=table)
    for read in ("storage", "rest"):
        found = published(real.warehouse(f"&read={read}"), real.folder, table=table)["v"]
        assert [*map(json.loads, found)] == [*map(json.loads, sent)]


def is_let_through(table: LayerTable, text: str) -> bool:
    try:
        spooled._check_json(table, table.column("v"), text)
    except WarehouseError:
        return False
    return True


def test_the_ends_of_the_calendar(real: Real) -> None:
    """The first and the last day that we let through have partitions."""
    table, warehouse = own(ORDERS), real.warehouse()
    ends = [date(1960, 1, 1), date(2159, 12, 31)]
    days = [staged(real.folder, orders({1: "x"}, day), day, table=table) for day in ends]
    publish(warehouse, *days, table=table)
    for day in ends:
        assert values(warehouse, real.folder, day, table=table) == {1: "x"}


@pytest.mark.parametrize("most", [1000, 0], ids=["as a parameter", "loaded"])
def test_null_keys_are_matched(real: Real, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Keys of every dtype, NULL among them, are looked up, removed and left out by joins."""
    monkeypatch.setattr(given, "_MOST_ROWS", most)
    keys_are_matched(real.warehouse(), real.folder)


@pytest.mark.parametrize("group", DTYPES)
def test_both_ways_read_the_same(real: Real, group: str) -> None:
    """Storage Read and REST read the same rows, and neither stands in for the other."""
    table, frame = wide(DTYPES[group])
    publish(real.warehouse(), staged(real.folder, frame, table=table), table=table)
    storage, rest = real.warehouse("&read=storage"), real.warehouse("&read=rest")
    by_storage = published(storage, real.folder, table=table)
    assert_frame_equal(by_storage, published(rest, real.folder, table=table))
    assert_frame_equal(by_storage, frame)
    assert storage._reader._storage is not None
