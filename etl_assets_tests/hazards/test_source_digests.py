"""Digests of the source are of the values that are loaded, whatever type they are kept in there."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from etl_assets.core.digests import BUCKETS_SCHEMA, compared, row_digests_schema
from etl_assets.core.frames import CURSOR, DIGEST
from etl_assets.core.partitions import Window
from etl_assets_tests.changing import LATER, MUCH, START, changing_table, frame_of, make_things
from etl_assets_tests.contract.test_digests import digest, expected
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, run, snapshot_of

BUCKETS = 8
# Each with the type in the source, the contract's dtype and options, and values (SQL).
BERLIN = {"source_zone": "Europe/Berlin"}
KINDS: dict[str, tuple[str, pl.DataType | type[pl.DataType], dict[str, object], list[str]]] = {
    "padded": ("char(5)", pl.String, {}, ["'ab'", "''", "'äöüß '"]),
    "trimmed": ("char(5)", pl.String, {"trim": True}, ["'ab'", "''", "'äöüß '"]),
    "text": ("text", pl.String, {}, ["'N'", "E'\\x1f\\n\"\\\\'", "'日本 🎈'"]),
    "rescaled": ("numeric(9, 2)", pl.Decimal(18, 4), {}, ["-0.05", "1234567.89", "0"]),
    "unbounded": ("numeric", pl.Decimal(38, 9), {}, ["-0.000000001", "1.50", "1e28"]),
    "counted": ("int4", pl.Decimal(18, 2), {}, ["-2147483648", "7", "0"]),
    "money": ("money", pl.Decimal(20, 2), {}, ["-0.05", "92233720368547758.07", "0"]),
    "price": ("money", pl.String, {}, ["-0.05", "12.30", "0"]),
    "widened": ("int2", pl.Int64, {}, ["-32768", "32767", "0"]),
    "yes": ("bool", pl.Boolean, {}, ["true", "false", "NULL"]),
    "raw": ("bytea", pl.Binary, {}, ["'\\x00ff'", "''", "NULL"]),
    "on_day": ("date", pl.Date, {}, ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'"]),
    "hour": ("time", pl.Time, {}, ["'00:00'", "'23:59:59.999999'", "'12:00:00.000001'"]),
    "naive": (
        "timestamp",
        NAIVE,
        {},
        ["'1969-12-31 23:59:59.999999'", "'2024-03-31 02:30'", "NULL"],
    ),
    "moment": ("timestamptz", UTC_MOMENT, {}, ["'0001-01-01'", "'9999-12-31 23:59Z'", "NULL"]),
    "nulled": (
        "timestamptz",
        UTC_MOMENT,
        {"on_unrepresentable": "null"},
        ["'infinity'", "'0044-03-15 BC'", "'2024-01-01'"],
    ),
    "rounded": (
        "numeric",
        pl.Decimal(9, 2),
        {"on_unrepresentable": "null"},
        ["'NaN'", "0.001", "1.5"],
    ),
    "uuid": ("uuid", pl.String, {}, ["gen_random_uuid()", "NULL", "gen_random_uuid()"]),
    "span": ("interval", pl.String, {}, ["'1 year -3 days 0.5 seconds'", "'0'", "NULL"]),
    "float": ("float8", pl.String, {}, ["0.1", "'NaN'", "1e300"]),
    "words": ("text[]", pl.String, {}, ["ARRAY['a', NULL, '\"']", "'{}'", "NULL"]),
    "ratio": ("float8", pl.Float64, {}, ["0.1", "'NaN'", "1e300"]),
    "tiny": ("float8", pl.Float64, {}, ["'-0'", "'5e-324'", "'-Infinity'"]),
    "round": ("float8", pl.Float64, {}, ["1e16", "1e22", "0.1::float8 + 0.2::float8"]),
    "rough": ("float4", pl.Float64, {}, ["0.1", "'NaN'", "16777217"]),
    "small": ("float4", pl.Float32, {}, ["'1e-45'", "'Infinity'", "NULL"]),
    "floats": ("float8[]", pl.List(pl.Float64), {}, ["'{NaN,-0,0.1,NULL}'", "'{}'", "NULL"]),
    "texts": (
        "text[]",
        pl.List(pl.String),
        {},
        ["""ARRAY['', NULL, 'N', ',', '"', 'a''b', '{x}', E'\\\\', 'Ä 日本 🎈']""", "'{}'", "NULL"],
    ),
    "prices": ("money[]", pl.List(pl.String), {}, ["'{1.10,-0.05}'", "'{NULL}'", "NULL"]),
    "amounts": ("numeric[]", pl.List(pl.Decimal(9, 2)), {}, ["'{1.1,1.10}'", "'{0,NULL}'", "'{}'"]),
    "padded_list": ("char(4)[]", pl.List(pl.String), {}, ["'{a,bb}'", "'{\"\"}'", "NULL"]),
    "documents": (
        "jsonb[]",
        pl.List(pl.String),
        {},
        ["""'{"{\\"a\\": 1.10}",null}'""", "'{}'", "NULL"],
    ),
    "roughs": ("float4[]", pl.List(pl.Float64), {}, ["'{0.1,NaN}'", "'{1e-45}'", "NULL"]),
    "moments": (
        "timestamptz[]",
        pl.List(UTC_MOMENT),
        {},
        ["'{1969-12-31 23:59:59.999999Z}'", "'{NULL}'", "NULL"],
    ),
    "blobs": ("bytea[]", pl.List(pl.Binary), {}, ["ARRAY[''::bytea, '\\x00ff']", "'{}'", "NULL"]),
    "local": (
        "timestamp",
        UTC_MOMENT,
        BERLIN,
        ["'2024-10-27 01:59'", "'2024-10-27 03:00'", "NULL"],
    ),
    **{
        f"local_{policy}": (
            "timestamp",
            UTC_MOMENT,
            {**BERLIN, "ambiguous": policy},
            ["'2024-10-27 02:30'", "'2024-03-31 03:00'", "'1945-04-02 12:00'"],
        )
        for policy in ("earliest", "latest", "null")
    },
    "left_out": ("jsonb", pl.String, {"logical": "json"}, ["'{}'", "'1.10'", "NULL"]),
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_the_source_s_digests_are_those_of_the_loaded_values(database_url: str, zone: str) -> None:
    table = changing_table(
        {name: dtype for name, (_, dtype, _, _) in KINDS.items()},
        options={name: options for name, (_, _, options, _) in KINDS.items()},
        key=("rescaled", "trimmed"),
    )
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _, _, _) in KINDS.items())
    rows = [
        f"('2024-05-17 2{n}:00Z', '2024-05-17', {', '.join(kind[3][n] for kind in KINDS.values())})"
        for n in range(3)
    ]
    run(
        database_url,
        f"CREATE TABLE things (day_at timestamptz, updated_at timestamptz, {columns})",
        f"INSERT INTO things VALUES {', '.join(rows)}",
    )
    with snapshot_of(f"{database_url}&options=-c%20timezone%3D{zone}", table) as snapshot:
        loaded = frame_of(snapshot.changes(None, LATER, 9, MUCH))
        found = snapshot.digests(None, BUCKETS)
        by_row = snapshot.row_digests(START.date(), BUCKETS, range(BUCKETS))

    assert loaded.height == 3
    assert loaded["nulled"].null_count() == loaded["rounded"].null_count() == 2
    assert found.schema == BUCKETS_SCHEMA
    assert sorted(found.rows()) == expected(table, loaded, BUCKETS)
    names = [column.name for column in compared(table)]
    assert "left_out" not in names
    lines = {
        (row["rescaled"], row["trimmed"]): digest(table, row, names) for row in loaded.to_dicts()
    }
    assert {(row["rescaled"], row["trimmed"]): row[DIGEST] for row in by_row.to_dicts()} == lines


def test_digests_are_of_the_days_and_buckets_that_were_asked_for(database_url: str) -> None:
    table = changing_table()
    make_things(
        database_url,
        "SELECT n, '2024-05-17'::timestamptz + n % 3 * interval '1 day', "
        "CASE WHEN n % 4 > 0 THEN '2024-05-17'::timestamptz END FROM generate_series(1, 300) n",
    )
    first, third = START.date(), date(2024, 5, 19)
    with snapshot_of(database_url, table) as snapshot:
        everything = snapshot.digests(None, BUCKETS)
        some = snapshot.digests([first, third], BUCKETS)
        none = snapshot.digests([], BUCKETS)
        rows = snapshot.row_digests(first, BUCKETS, [2, 5])
        nothing = snapshot.row_digests(first, BUCKETS, [])
    assert everything["rows"].sum() == 300
    assert some.sort("day", "bucket").equals(
        everything.filter(pl.col("day").is_in([first, third])).sort("day", "bucket")
    )
    assert none.is_empty()
    assert none.schema == BUCKETS_SCHEMA
    asked = everything.filter(pl.col("day") == first, pl.col("bucket").is_in([2, 5]))
    assert rows.height == asked["rows"].sum() > 0
    schema = row_digests_schema(table)
    schema[CURSOR] = pl.Datetime("us", "UTC")
    assert rows.schema == nothing.schema == schema
    expected_cursors = [None if n % 4 == 0 else START for n in rows["id"]]
    assert rows[CURSOR].to_list() == expected_cursors


def test_rows_that_no_dtype_or_no_day_can_hold_are_not_counted(database_url: str) -> None:
    make_things(
        database_url,
        "VALUES (1, '2024-05-17 23:59Z'::timestamptz, '2024-05-17'::timestamptz),"
        " (2, '2024-05-17', 'infinity'), (3, NULL, '2024-05-17'), (4, 'infinity', '2024-05-17'),"
        " (5, '2024-05-17', NULL)",
    )
    with snapshot_of(database_url, changing_table()) as snapshot:
        assert snapshot.digests(None, 1)["rows"].to_list() == [2]
        rows = snapshot.row_digests(START.date(), 1, [0]).sort("id")
        frames = [snapshot.day(day).batches() for day in Window.of(START.date()).days()]
        assert sorted(pl.concat(frames[0])["id"]) == [1, 5]
    assert rows["id"].to_list() == [1, 5]
    assert rows[CURSOR].to_list() == [datetime(2024, 5, 17, tzinfo=UTC), None]


def test_a_cursor_that_loads_as_null_is_null_among_the_digests(database_url: str) -> None:
    make_things(database_url, "VALUES (1, '2024-05-17'::timestamptz, 'infinity'::timestamptz)")
    table = changing_table(options={"updated_at": {"on_unrepresentable": "null"}})
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.row_digests(START.date(), 1, [0])[CURSOR].to_list() == [None]
