"""What of a contract the source can give: refusals that name both sides, drift, empty results."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.errors import ContractMismatch
from etl_assets.core.source_specs import Parent
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.source_tables import (
    DAY,
    NAIVE,
    UTC_MOMENT,
    carry,
    layer_table,
    make_v,
    plain_table,
    published_rows,
    read_day,
    read_v,
    run,
    snapshot_of,
)


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("contract_fit")
    url = postgres.url("contract_fit")
    run(url, "CREATE DOMAIN price AS numeric(10,2)", "CREATE DOMAIN list_price AS price")
    return url


@pytest.mark.parametrize(
    ("type_", "dtype", "shown"),
    [
        ("int8", pl.Int32, "bigint"),
        ("text", pl.Int64, "text"),
        ("int8", pl.Float64, "bigint"),
        ("float8", pl.Float32, "double precision"),
        ("float8", pl.Decimal(10, 2), "double precision"),
        ("money", pl.Decimal(10, 2), "money"),
        ("money", pl.Decimal(20, 1), "money"),
        ("money", pl.Decimal(18, 2), "money"),
        ("int8", pl.Decimal(20, 2), "bigint"),
        ("timestamptz", NAIVE, "timestamp with time zone"),
        ("timestamp", UTC_MOMENT, "timestamp without time zone"),
        ("timestamptz", pl.Datetime("ms", "UTC"), "timestamp with time zone"),
        ("timestamptz", pl.Datetime("us", "Europe/Berlin"), "timestamp with time zone"),
        ("timestamptz", pl.Date, "timestamp with time zone"),
        ("timetz", pl.Time, "time with time zone"),
        ("interval", pl.Duration("us"), "interval"),
        ("bytea", pl.String, "bytea"),
        ("bytea[]", pl.List(pl.String), "bytea[]"),
        ("int4[]", pl.List(pl.Int16), "integer[]"),
        ("int4[]", pl.Int32, "integer[]"),
        ("int4", pl.List(pl.Int32), "integer"),
        ("list_price", pl.Int64, "list_price"),
    ],
)
def test_m12_a_dtype_that_cannot_hold_the_type_is_refused_naming_both(
    url: str, type_: str, dtype: Any, shown: str
) -> None:
    make_v(url, type_, ["NULL"])

    with pytest.raises(ContractMismatch) as told:
        read_v(url, dtype)

    declared = pl.Series(dtype=dtype).dtype
    assert f"'v' is {shown} in the source" in told.value.what
    assert f"the contract's {declared} " in told.value.what
    assert told.value.what.startswith("raw/things: "), "a sync may be one of many"
    is_money = type_ == "money"  # 17 digits before the point, so 18 are one too few
    assert ("Annotated[pl.Decimal, 19, 2]" in told.value.next_step) is is_money


def test_a_missing_column_is_refused_naming_what_there_is(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz, nmae text)")

    with pytest.raises(ContractMismatch, match=r"no column name,.* it has id, day_at, nmae\."):
        read_day(database_url, plain_table({"name": pl.String}))


def test_a_column_missing_in_the_parent_is_refused_naming_the_parent(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, owner_id bigint)",
        "CREATE TABLE owners (id bigint)",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "created_at"})
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT}, parent=parent)

    with pytest.raises(ContractMismatch, match=r"public\.owners has no column created_at.* has id"):
        read_day(database_url, table)


def test_c11_a_column_added_in_the_source_is_not_read_but_reported(database_url: str) -> None:
    make_v(database_url, "text", ["'x'"])
    table = plain_table({"v": pl.String})
    run(database_url, "ALTER TABLE things ADD COLUMN extra text DEFAULT 'new'")

    rows, _ = read_day(database_url, table)
    with snapshot_of(database_url, table) as snapshot:
        columns = [name for name, _ in snapshot.columns]

    assert rows.columns == ["id", "day_at", "v"]
    assert columns == ["id", "day_at", "v", "extra"]


def test_c16_an_empty_day_has_the_dtypes_of_a_full_one_as_far_as_the_warehouse(
    database_url: str, tmp_path: Path
) -> None:
    make_v(database_url, "text", [])
    table = plain_table({"v": pl.List(pl.Decimal(9, 2)), "w": pl.Binary, "x": pl.Time})
    run(
        database_url,
        "ALTER TABLE things ALTER v TYPE numeric[] USING NULL",
        "ALTER TABLE things ADD w bytea, ADD x time",
    )

    rows, evidence = read_day(database_url, table)
    warehouse = carry(database_url, table, [DAY], tmp_path)

    published = published_rows(warehouse, table, DAY, tmp_path)
    assert rows.height == published.height == evidence.row_count == 0
    assert published.schema == rows.schema == {c.name: c.dtype for c in table.columns}
    assert warehouse.state(table)[0].source_count == 0


def test_c16_batches_have_the_same_dtypes_whatever_they_hold(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, day_at timestamptz, v numeric[], w text)",
        "INSERT INTO things SELECT n, '2024-05-17', "
        "CASE WHEN n > 200000 THEN '{1.5}'::numeric[] END, "
        "CASE WHEN n < 9 THEN repeat('x', 90) END FROM generate_series(1, 400000) n",
    )
    table = plain_table({"v": pl.List(pl.Decimal(9, 2)), "w": pl.String})

    with snapshot_of(database_url, table) as snapshot:
        frames = list(snapshot.day(DAY).batches())

    assert len(frames) > 1
    assert {tuple(frame.schema.items()) for frame in frames} == {
        tuple((c.name, c.dtype) for c in table.columns)
    }
    assert sum(frame.height for frame in frames) == 400_000
