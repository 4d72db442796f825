"""What BigQuery would refuse late, or change in silence, is refused before anything is sent."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.bigquery.spooled import check_days, write_parquet
from etl_assets.warehouse.bigquery.types import (
    check_emulated,
    check_names,
    column_types,
    published_schema,
)
from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.contract.days import DAY, at
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

STRUCT = pl.Struct({"tags": pl.List(pl.String), "at": pl.Date})


def table_of(dtype: Any, **options: Any) -> LayerTable:
    return layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": dtype}, {"v": options})


def written(folder: Path, table: LayerTable, spooled: list[SpoolFiles]) -> Path:
    return write_parquet(table, table.columns, spooled, folder / "out.parquet")


def spooled(folder: Path, table: LayerTable, *values: Any, strict: bool = True) -> list[SpoolFiles]:
    rows = [(number, at(DAY), value) for number, value in enumerate(values)]
    schema = polars_schema(table.columns)
    files = SpoolFiles(folder / "rows")
    files.write(pl.DataFrame(rows, schema=schema, orient="row", strict=strict))
    files.close()
    return [files]


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "no array": (pl.List(pl.Int64), None, {}, "NULL array"),
    "NULL in an array": (pl.List(pl.Int64), [1, None], {}, "array with a NULL in it"),
    "NULL in an array of bytes": (pl.List(pl.Binary), [b"x", None], {}, "array with a NULL in it"),
    "NULL array in a struct": (STRUCT, {"tags": None, "at": None}, {}, "NULL array"),
    "NULL in an array in a struct": (STRUCT, {"tags": [None], "at": None}, {}, "with a NULL in it"),
    "missing": (pl.String, None, {"nullable": False}, "has a null, and is required"),
    "text that is no JSON": (pl.String, "{'secret': 1}", {"logical": "json"}, "is no JSON"),
    "JSON that is not finite": (pl.String, "[NaN]", {"logical": "json"}, "is no JSON"),
    "nested beyond reason": (pl.String, "[" * 99_999, {"logical": "json"}, "is no JSON"),
    "a wide integer in JSON": (pl.String, f"[{2**64}]", {"logical": "json"}, "64 bits"),
    "a fraction that is rounded": (pl.String, "[0.10000000000000001]", {"logical": "json"}, "64 b"),
    "a number beyond doubles in JSON": (pl.String, "1e400", {"logical": "json"}, "64 bits"),
    "a number that becomes zero": (pl.String, '{"a": 1e-400}', {"logical": "json"}, "64 bits"),
    "a fine fraction in JSON": (pl.String, "0.1234567890123456789", {"logical": "json"}, "64 bits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_that_bigquery_cannot_hold_is_refused_by_column(tmp_path: Path, case: str) -> None:
    dtype, value, options, told = REFUSED[case]
    table = table_of(dtype, **options)
    with pytest.raises(WarehouseError, match=f"'v' of raw/things.*{told}.*pl.String") as caught:
        written(tmp_path, table, spooled(tmp_path, table, value))
    assert "secret" not in str(caught.value)


KEPT: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "an empty array": (pl.List(pl.Int64), [], {}),
    "a struct": (STRUCT, {"tags": [], "at": date(1, 1, 1)}, {}),
    "no struct": (STRUCT, None, {}),
    "JSON null": (pl.String, "null", {"logical": "json"}),
    "the widest integers in JSON": (pl.String, f"[{2**64 - 1}, {-(2**63)}]", {"logical": "json"}),
    "fractions in JSON": (
        pl.String,
        "[0.1, 1.10, -0.0, -1.5e-300, 5E2, 12345678.901234567, 0.2002386475503002]",
        {"logical": "json"},
    ),
    "text of a JSON that is only text": (pl.String, "{", {}),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_it_holds_is_written(tmp_path: Path, case: str) -> None:
    dtype, value, options = KEPT[case]
    table = table_of(dtype, **options)
    path = written(tmp_path, table, spooled(tmp_path, table, value))
    assert pq.read_table(path)["v"].to_pylist() == [value]


def test_a_year_beyond_the_calendar_is_refused(tmp_path: Path) -> None:
    table = table_of(UTC_MOMENT)
    files = SpoolFiles(tmp_path / "rows")
    far = pl.Series([253_402_300_800_000_000]).cast(UTC_MOMENT)  # 10000-01-01
    frame = pl.DataFrame({"id": [1], "day_at": [at(DAY)], "v": far})
    files.write(frame.cast(dict(polars_schema(table.columns))))
    files.close()
    with pytest.raises(WarehouseError, match="a year outside of 1 to 9999"):
        written(tmp_path, table, [files])


def test_rows_of_another_dtype_than_the_contracts_are_refused(tmp_path: Path) -> None:
    files, other = spooled(tmp_path, table_of(pl.Int64), 1), table_of(pl.String)
    with pytest.raises(WarehouseError, match="differ from its contract in v"):
        written(tmp_path, other, files)


def test_several_files_become_one_with_a_row_group_each(tmp_path: Path) -> None:
    table = table_of(pl.Binary)
    (files,) = spooled(tmp_path, table, b"\x00", b"")
    files.write(pl.read_parquet(files.files[0]))
    files.close()
    path = written(tmp_path, table, [files])
    assert pq.ParquetFile(path).num_row_groups == 2
    assert pq.read_table(path)["v"].to_pylist() == ["AA==", "", "AA==", ""]


def test_m12_bytes_in_a_list_travel_as_text(tmp_path: Path) -> None:
    table = table_of(pl.List(pl.Binary))
    files = spooled(tmp_path, table, [b"\x00\xff", b""], [])
    path = written(tmp_path, table, files)
    assert pq.read_table(path)["v"].to_pylist() == [["AP8=", ""], []]


def test_days_that_have_no_partition_are_refused() -> None:
    table = table_of(pl.String)
    check_days(table, [date(1960, 1, 1), date(2159, 12, 31)])
    for day in (date(1959, 12, 31), date(2160, 1, 1)):
        with pytest.raises(WarehouseError, match=f"no partition for raw/things {day}"):
            check_days(table, [DAY, day])
    check_days(replace(table, partition_column=None), [WHOLE])


@pytest.mark.parametrize("name", ['say "hi"', "semi;colon", "it's", "per%cent", "tick`", "a.b"])
def test_names_that_bigquery_does_not_take_are_refused(name: str) -> None:
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT}, name=name)
    with pytest.raises(WarehouseError, match="BigQuery takes no such name"):
        check_names(table)
    if name not in ("it's", "per%cent"):
        odd = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, name: pl.String})
        with pytest.raises(WarehouseError, match="BigQuery takes no such name: column"):
            check_names(odd)


TYPES = {
    "NUMERIC(18, 2)": pl.Decimal(18, 2),
    "NUMERIC(38, 9)": pl.Decimal(38, 9),
    "BIGNUMERIC(38, 0)": pl.Decimal(38, 0),
    "BIGNUMERIC(38, 10)": pl.Decimal(38, 10),
    "BIGNUMERIC(32, 2)": pl.Decimal(32, 2),
    "INT64": pl.Int16,
    "FLOAT64": pl.Float32,
    "TIMESTAMP": UTC_MOMENT,
    "DATETIME": pl.Datetime("us"),
    "TIME": pl.Time,
    "ARRAY<TIMESTAMP>": pl.List(UTC_MOMENT),
    "BYTES": pl.Binary,
    "ARRAY<BYTES>": pl.List(pl.Binary),
    "BIGNUMERIC(38, 38)": pl.Decimal(38, 38),
    "STRUCT<`tags` ARRAY<STRING>, `at` DATE>": STRUCT,
    "ARRAY<STRUCT<`n` NUMERIC(10, 2)>>": pl.List(pl.Struct({"n": pl.Decimal(10, 2)})),
}


@pytest.mark.parametrize("type_", TYPES)
def test_m12_every_dtype_has_its_type(type_: str) -> None:
    assert column_types(table_of(TYPES[type_]))["v"] == type_


def test_json_and_modes_follow_from_the_contract() -> None:
    table = layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String, "tags": pl.List(pl.String)},
        {"id": {"nullable": False}, "v": {"logical": "json"}, "tags": {"nullable": False}},
    )
    found = {field.name: (field.field_type, field.mode) for field in published_schema(table)}
    assert found == {
        "id": ("INT64", "REQUIRED"),
        "day_at": ("TIMESTAMP", "NULLABLE"),
        "v": ("JSON", "NULLABLE"),
        "tags": ("STRING", "REPEATED"),
        "_ingested_at": ("TIMESTAMP", "REQUIRED"),
        "_source": ("STRING", "REQUIRED"),
        "_run_id": ("STRING", "REQUIRED"),
        "_schema_version": ("STRING", "REQUIRED"),
    }


def test_a_moment_is_written_in_microseconds(tmp_path: Path) -> None:
    table = table_of(UTC_MOMENT)
    moment = datetime(2024, 5, 17, 1, 2, 3, 4, UTC)
    path = written(tmp_path, table, spooled(tmp_path, table, moment))
    assert pq.read_table(path)["v"].to_pylist() == [moment]


@pytest.mark.parametrize(
    ("dtype", "is_held"),
    [
        (pl.Decimal(38, 38), False),
        (pl.Decimal(38, 0), False),
        (pl.Decimal(30, 19), False),
        (pl.Decimal(38, 18), True),
        (pl.Decimal(38, 9), True),
        (pl.Decimal(18, 2), True),
    ],
)
def test_m12_decimals_that_the_emulator_would_cut_are_refused_when_they_are_declared(
    dtype: pl.Decimal, is_held: bool
) -> None:
    if is_held:
        check_emulated(table_of(dtype))
        return
    with pytest.raises(WarehouseError, match=r"emulator keeps 20 digits.*v \(Decimal"):
        check_emulated(table_of(dtype))


def test_m12_the_emulator_refuses_such_a_table_before_anything_is_made(place: Place) -> None:
    warehouse = place.warehouse()
    with pytest.raises(WarehouseError, match="emulator keeps 20 digits"):
        warehouse.ensure(table_of(pl.Decimal(38, 38)))
    assert warehouse.state() == []
