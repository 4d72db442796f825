"""Values of any size (B1): whole on every road, or set aside alone with key, column and size."""

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl_assets.core.policies import Thresholds
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, Road, cased

REQUIRED = {"id": {"nullable": False}}
STRICT = Thresholds()
MIB = 1 << 20

# The road is one for all warehouses: on DuckDB the default run has all of it, on others a share.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


def docs(kind: str, dtype: Any = pl.String, **options: Any) -> tuple[Any, str]:
    """A table of documents whose bad rows keep no day back, and its DDL."""
    table = cased({"id": pl.Int64, "body": dtype}, {**REQUIRED, "body": options})
    return replace(table, thresholds=STRICT), (
        f"CREATE TABLE things (id bigint PRIMARY KEY, body {kind}, "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)"
    )


def row(number: int, body: str, day: int = 5) -> str:
    return f"INSERT INTO things VALUES ({number}, {body}, '2024-01-0{day}Z', '2024-01-0{day}Z')"


def sizes(road: Road) -> dict[int, int | None]:
    return {number: None if body is None else len(body) for number, body, *_ in road.published()}


@pytest.mark.thorough_for("bigquery", "postgres")
@pytest.mark.share
def test_b1_a_value_longer_than_a_block_arrives_whole_wherever_it_stands(pave: Paved) -> None:
    """The cases large_value.sql and large_value_variations.sql, with rows before and after."""
    road = pave(
        *docs("text"),
        "INSERT INTO things SELECT n, repeat('y', 1000000), '2024-01-05Z', '2024-01-05Z' "
        "FROM generate_series(1, 8) n",
        row(9, f"repeat('x', {9 * MIB})"),
        row(10, "'end'"),
        row(11, f"repeat('\"', {10 * MIB})", 6),
        row(12, f"repeat('ü\n', {6 * MIB})", 6),
        row(13, "NULL", 6),
    )
    road.sync()
    expected: dict[int, int | None] = dict.fromkeys(range(1, 9), 1_000_000)
    expected |= {9: 9 * MIB, 10: 3, 11: 10 * MIB, 12: 12 * MIB, 13: None}
    assert sizes(road) == expected
    assert road.quarantined() == []
    road.sql(
        "UPDATE things SET body = body || 'z', updated_at = now() WHERE id IN (9, 10)",
        "UPDATE things SET body = 'behind' || body WHERE id IN (11, 13)",
    )
    road.sync()
    assert sizes(road) == {**expected, 9: 9 * MIB + 1, 10: 4}
    assert road.reconcile().is_equal
    assert sizes(road) == {**expected, 9: 9 * MIB + 1, 10: 4, 11: 10 * MIB + 6}
    (grown,) = [body for number, body, *_ in road.published() if number == 9]
    is_whole = grown == "x" * 9 * MIB + "z"
    assert is_whole


@pytest.mark.thorough
def test_b1_bytes_longer_than_a_block_arrive_whole(pave: Paved) -> None:
    size = 8 * MIB + MIB // 5
    road = pave(
        *docs("bytea", pl.Binary),
        row(1, "'small'"),
        row(2, f"convert_to(repeat('\\x00\\xff', {size // 8}), 'UTF8')"),
        row(3, "NULL"),
    )
    road.sync()
    assert sizes(road) == {1: 5, 2: size // 8 * 8, 3: None}
    road.sql("UPDATE things SET body = body || '\\x00' WHERE id = 2")
    assert road.reconcile().is_equal
    assert sizes(road)[2] == size // 8 * 8 + 1
    road.assert_settled()


@pytest.mark.thorough
def test_b1_what_is_beyond_the_bound_is_set_aside_alone(pave: Paved) -> None:
    table, ddl = docs("text")
    road = pave(table, ddl, row(1, "'small'"), row(2, "repeat('x', 300000000)"))
    road.sql(row(3, "'other day'", 6))
    road.sync()
    assert sizes(road) == {1: 5, 3: 9}
    ((day, rule, payload),) = road.quarantined()
    assert (day, rule) == (DAYS[4], "body: too_large")
    assert json.loads(payload)["body"] == "300000000 bytes"
    assert json.loads(payload)["id"] == "2"
    road.load()
    assert sizes(road).keys() == {1, 3}
    assert len(road.quarantined()) == 1
    road.sql("UPDATE things SET body = 'less' WHERE id = 2")
    assert road.reconcile().is_equal
    assert sizes(road)[2] == 4
    assert road.quarantined() == []


@pytest.mark.soak
def test_b1_a_row_is_measured_as_a_whole_and_named_by_its_longest_column(pave: Paved) -> None:
    dtypes: dict[str, Any] = {
        "id": pl.Int64,
        "a": pl.String,
        "b": pl.Binary,
        "c": pl.List(pl.Int64),
    }
    road = pave(
        replace(cased(dtypes, REQUIRED), thresholds=STRICT),
        "CREATE TABLE things (id bigint PRIMARY KEY, a varchar, b bytea, c bigint[], "
        "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)",
        "INSERT INTO things SELECT n, repeat('x', 40000000), "
        "CASE n WHEN 1 THEN convert_to(repeat('y', 31000000), 'UTF8') ELSE '' END, '{1}', "
        "'2024-01-05Z', '2024-01-05Z' FROM generate_series(1, 2) n",
    )
    road.sync()
    assert [row[0] for row in road.published()] == [2]
    assert road.rules() == ["b: too_large"]
    payload = json.loads(road.quarantined()[0][2])
    assert payload["a"] == "40000000 bytes"
    assert payload["b"] == "62000000 bytes"
    road.assert_settled()


@pytest.mark.soak
def test_b1_a_large_value_of_a_view_and_of_a_partition_is_measured(pave: Paved) -> None:
    table, _ = docs("text")
    road = pave(
        table,
        "CREATE VIEW things AS SELECT n::bigint AS id, repeat('x', n * 150000000) AS body, "
        "timestamptz '2024-01-05Z' AS created_at, timestamptz '2024-01-05Z' AS updated_at "
        "FROM generate_series(0, 1) n",
    )
    road.sync()
    assert sizes(road) == {0: 0}
    assert road.rules() == ["body: too_large"]
    road.sql(
        "DROP VIEW things",
        "CREATE TABLE things (id bigint, body text, created_at timestamptz NOT NULL, "
        "updated_at timestamptz NOT NULL) PARTITION BY RANGE (id)",
        "CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (10)",
        row(1, "repeat('x', 120000000)"),
        row(2, "'small'"),
    )
    road.load()
    assert sizes(road) == {2: 5}
    assert road.rules() == ["body: too_large"]


@pytest.mark.soak
def test_b1_large_json_compressed_to_little_is_read_in_pages_of_its_real_size(pave: Paved) -> None:
    road = pave(
        *docs("jsonb", pl.String, logical="json"),
        "INSERT INTO things SELECT n, jsonb_build_object('n', n, 'x', repeat('x', 20000000)), "
        "'2024-01-05Z', '2024-01-05Z' FROM generate_series(1, 8) n",
    )
    chunks = road.sync()
    assert len(sizes(road)) == 8
    assert max(chunk.rows for chunk in chunks) <= 4  # three in a page, and one that begins the next


@pytest.mark.soak
def test_b1_a_table_without_days_takes_a_large_row_and_knows_when_it_is_unchanged(
    pave: Paved,
) -> None:
    table, ddl = docs("text")
    road = pave(
        replace(table, partition_column=None),
        ddl,
        row(1, "repeat(md5('x'), 1500000)"),
        row(2, "repeat('x', 300000000)"),
    )
    road.load()
    assert sizes(road) == {1: 48_000_000}
    assert road.rules() == ["body: too_large"]
    load_id = road.warehouse.state(road.table)[0].load_id
    road.load()
    assert road.warehouse.state(road.table)[0].load_id == load_id
