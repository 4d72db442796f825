"""Values that no dtype holds: set aside with key and text, or null where the contract says so."""

import json

import polars as pl
import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.source_tables import (
    NAIVE,
    UTC_MOMENT,
    make_v,
    quoted,
    read_v,
    run,
)


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("unrepresentable")
    return postgres.url("unrepresentable")


REFUSED = {
    "numeric_too_precise": ("numeric", pl.Decimal(10, 2), "0.001"),
    "numeric_too_large": ("numeric", pl.Decimal(10, 2), "100000000"),
    "numeric_nan": ("numeric(10,2)", pl.Decimal(10, 2), "NaN"),
    "numeric_unconstrained_nan": ("numeric", pl.Decimal(10, 2), "NaN"),
    "numeric_infinity": ("numeric", pl.Decimal(10, 2), "-Infinity"),
    "timestamptz_infinity": ("timestamptz", UTC_MOMENT, "infinity"),
    "timestamptz_minus_infinity": ("timestamptz", UTC_MOMENT, "-infinity"),
    "timestamp_infinity": ("timestamp", NAIVE, "infinity"),
    "date_infinity": ("date", pl.Date, "-infinity"),
    "date_bc": ("date", pl.Date, "0044-03-15 BC"),
    "timestamp_bc": ("timestamp", NAIVE, "0044-03-15 12:00 BC"),
    "date_of_five_digits": ("date", pl.Date, "10000-01-01"),
    "timestamptz_of_five_digits": ("timestamptz", UTC_MOMENT, "294276-12-31 00:00+00"),
    "time_24": ("time", pl.Time, "24:00"),
    "matrix": ("int4[]", pl.List(pl.Int32), "{{1,2},{3,4}}"),
    "list_from_zero": ("int4[]", pl.List(pl.Int32), "[0:2]={1,2,3}"),
    "list_from_below": ("text[]", pl.List(pl.String), "[-1:0]={a,b}"),
    "matrix_from_zero": ("int4[]", pl.List(pl.Int32), "[0:1][1:2]={{1,2},{3,4}}"),
    "list_with_an_infinity": ("date[]", pl.List(pl.Date), "{2024-01-01,infinity}"),
    "list_with_a_nan": ("numeric[]", pl.List(pl.Decimal(10, 2)), "{1,NaN}"),
    "matrix_with_nulls": ("numeric[]", pl.List(pl.Decimal(10, 2)), "{{1,NULL}}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_dtype_holds_is_set_aside_with_its_key_and_text(url: str, case: str) -> None:
    type_, dtype, bad = REFUSED[case]
    make_v(url, type_, ["NULL", quoted(bad), "NULL"])
    shown = run(url, "SET timezone = 'UTC'", "SELECT v::text FROM things WHERE id = 2")[0][0]

    read, evidence = read_v(url, dtype)

    assert read.to_list() == [None, None]
    assert evidence.row_count == 3
    assert list(evidence.rejected.rules) == ["v: representable"]
    assert list(evidence.rejected.keys) == ["id=2"]
    assert list(evidence.rejected.positions) == ["postgres:public.things id=2"]
    payload = json.loads(evidence.rejected.payloads[0])
    assert payload == {"id": "2", "day_at": "2024-05-17 12:00:00+00", "v": shown}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_dtype_holds_is_null_where_the_contract_says_so(url: str, case: str) -> None:
    type_, dtype, bad = REFUSED[case]
    make_v(url, type_, ["NULL", quoted(bad)])

    read, evidence = read_v(url, dtype, on_unrepresentable="null")

    assert (read.to_list(), evidence.rejected.keys) == ([None, None], ())
