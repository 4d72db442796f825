"""Every row of the type mapping, on the real server: what was inserted is what is read."""

import math
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal

import polars as pl
import psycopg
import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, make_v, quoted, read_v, run

DIGITS_38 = "12345678901234567890123456789.123456789"
HUGE = "9" * 60 + "." + "1" * 20


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("odd_types")
    return postgres.url("odd_types")


EXACT = {
    "bool": ("bool", pl.Boolean, {"true": True, "false": False}),
    "int2": ("int2", pl.Int16, {"-32768": -32768, "32767": 32767}),
    "int2_wider": ("int2", pl.Int64, {"-32768": -32768}),
    "int4": ("int4", pl.Int32, {"-2147483648": -(2**31), "2147483647": 2**31 - 1}),
    "int8": (
        "int8",
        pl.Int64,
        {"-9223372036854775808": -(2**63), "9223372036854775807": 2**63 - 1},
    ),
    "int8_as_decimal": (
        "int8",
        pl.Decimal(21, 2),
        {"9223372036854775807": Decimal("9223372036854775807.00")},
    ),
    "oid": ("oid", pl.Int64, {"4294967295": 4294967295}),
    "float4": (
        "float4",
        pl.Float32,
        {"1.5": 1.5, "-Infinity": -math.inf, "1e-45": 1.401298464324817e-45},
    ),
    "float8": (
        "float8",
        pl.Float64,
        {
            "0.1": 0.1,
            "5e-324": 5e-324,
            "1.7976931348623157e308": 1.7976931348623157e308,
            "Infinity": math.inf,
            "-Infinity": -math.inf,
            "-0": -0.0,
        },
    ),
    "numeric_10_2": (
        "numeric(10,2)",
        pl.Decimal(10, 2),
        {"-12345678.90": Decimal("-12345678.90"), "0.01": Decimal("0.01")},
    ),
    "numeric_38_9": (
        "numeric(38,9)",
        pl.Decimal(38, 9),
        {DIGITS_38: Decimal(DIGITS_38), f"-{DIGITS_38}": Decimal(f"-{DIGITS_38}")},
    ),
    "numeric_of_negative_scale": ("numeric(3,-2)", pl.Decimal(10, 0), {"12345": Decimal(12300)}),
    "numeric_unconstrained": (
        "numeric",
        pl.Decimal(38, 30),
        {"1e-30": Decimal("1e-30"), "7": Decimal(7)},
    ),
    "numeric_over_38_digits": ("numeric", pl.String, {HUGE: HUGE, "NaN": "NaN", "1.10": "1.10"}),
    "money": (
        "money",
        pl.Decimal(19, 2),
        {"-92233720368547758.08": Decimal("-92233720368547758.08")},
    ),
    "money_as_text": ("money", pl.String, {"1234.5": "1234.50"}),
    "timestamptz": (
        "timestamptz",
        UTC_MOMENT,
        {
            "1969-12-31 23:59:59.999999+00": datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            "1883-11-18 12:00:00 America/New_York": datetime(1883, 11, 18, 17, 0, tzinfo=UTC),
            "2024-01-01 00:00:00.5+05:30": datetime(2023, 12, 31, 18, 30, 0, 500000, UTC),
            "0001-01-01 00:00:00+00": datetime(1, 1, 1, tzinfo=UTC),
            "9999-12-31 23:59:59.999999+00": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        },
    ),
    "timestamp": (
        "timestamp",
        NAIVE,
        {"1900-02-28 01:02:03.000004": datetime(1900, 2, 28, 1, 2, 3, 4)},
    ),
    "date": ("date", pl.Date, {"0001-01-01": date(1, 1, 1), "9999-12-31": date(9999, 12, 31)}),
    "time": ("time", pl.Time, {"00:00": time(0), "23:59:59.999999": time(23, 59, 59, 999999)}),
    "time_as_text": ("time", pl.String, {"24:00": "24:00:00"}),
    "timetz": ("timetz", pl.String, {"12:00:00.5+05:30": "12:00:00.5+05:30"}),
    "interval": ("interval", pl.String, {"1 year 2 mons -3 days 04:05:06.7": "P1Y2M-3DT4H5M6.7S"}),
    "json": (
        "json",
        pl.String,
        {
            '{"a": 1234567890123456789012,"a": 1.10}': '{"a": 1234567890123456789012,"a": 1.10}',
            "null": "null",
        },
    ),
    "jsonb": (
        "jsonb",
        pl.String,
        {
            '{"b":1.10,"a":123456789012345678901}': '{"a": 123456789012345678901, "b": 1.10}',
            "null": "null",
        },
    ),
    "uuid": (
        "uuid",
        pl.String,
        {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
    ),
    "bytea": ("bytea", pl.Binary, {"\\x00ff0a2c22": b'\x00\xff\n,"', "": b""}),
    "enum": ("mood", pl.String, {"happy, no?": "happy, no?"}),
    "citext": ("citext", pl.String, {"MiXed": "MiXed"}),
    "domain_over_numeric": ("price", pl.Decimal(10, 2), {"9.90": Decimal("9.90")}),
    "domain_over_a_domain": ("list_price", pl.Decimal(10, 2), {"9.90": Decimal("9.90")}),
    "domain_over_text": ("label", pl.String, {"": "", "x": "x"}),
    "int_list": ("int4[]", pl.List(pl.Int32), {"{1,NULL,-3}": [1, None, -3], "{}": []}),
    "text_list": (
        "text[]",
        pl.List(pl.String),
        {
            '{NULL,"NULL","",",","\\"","a\nb","\\\\","😀","null"}': [
                None,
                "NULL",
                "",
                ",",
                '"',
                "a\nb",
                "\\",
                "😀",
                "null",
            ],
            "{}": [],
        },
    ),
    "timestamptz_list": (
        "timestamptz[]",
        pl.List(UTC_MOMENT),
        {
            '{"1969-12-31 23:59:59.999999+00",NULL,"2024-01-01 02:00+02"}': [
                datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
                None,
                datetime(2024, 1, 1, tzinfo=UTC),
            ]
        },
    ),
    "timestamp_list": (
        "timestamp[]",
        pl.List(NAIVE),
        {'{"0001-02-03 04:05:06.000007"}': [datetime(1, 2, 3, 4, 5, 6, 7)]},
    ),
    "date_list": (
        "date[]",
        pl.List(pl.Date),
        {"{0001-01-01,NULL,9999-12-31}": [date(1, 1, 1), None, date(9999, 12, 31)]},
    ),
    "time_list": (
        "time[]",
        pl.List(pl.Time),
        {"{23:59:59.999999,00:00}": [time(23, 59, 59, 999999), time(0)]},
    ),
    "numeric_list": (
        "numeric[]",
        pl.List(pl.Decimal(38, 9)),
        {f"{{{DIGITS_38},NULL,-1}}": [Decimal(DIGITS_38), None, Decimal(-1)]},
    ),
    "float_list": (
        "float8[]",
        pl.List(pl.Float64),
        {"{0.1,Infinity,-Infinity,5e-324}": [0.1, math.inf, -math.inf, 5e-324]},
    ),
    "bool_list": ("bool[]", pl.List(pl.Boolean), {"{t,NULL,f}": [True, None, False]}),
    "bytea_list": ("bytea[]", pl.List(pl.Binary), {'{"\\\\x00ff",""}': [b"\x00\xff", b""]}),
    "uuid_list": (
        "uuid[]",
        pl.List(pl.String),
        {"{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]},
    ),
    "jsonb_list": (
        "jsonb[]",
        pl.List(pl.String),
        {'{"{\\"a\\": 1.10}",NULL,"null"}': ['{"a": 1.10}', None, "null"]},
    ),
    "enum_list": ("mood[]", pl.List(pl.String), {'{sad,"happy, no?"}': ["sad", "happy, no?"]}),
    "domain_list": ("price[]", pl.List(pl.Decimal(10, 2)), {"{1.10}": [Decimal("1.10")]}),
    "composite_list": ("pair[]", pl.List(pl.String), {'{"(1,a)",NULL}': ["(1,a)", None]}),
    "array_that_begins_elsewhere": (
        "int4[]",
        pl.String,
        {
            "[5:6]={1,2}": "[5:6]={1,2}",
            "[1:1][0:1]={{1,2}}": "[1:1][0:1]={{1,2}}",
            "[1:2]={1,2}": "[1,2]",
        },
    ),
    "matrix_as_json": ("int4[]", pl.String, {"{{1,2},{3,NULL}}": "[[1,2],[3,null]]"}),
    "char_kept_padded": ("char(4)", pl.String, {"ab": "ab  "}),
    "varchar": ("varchar(4)", pl.String, {"ab  ": "ab  "}),
}


@pytest.fixture(scope="module", autouse=True)
def _types(url: str) -> None:
    run(
        url,
        "CREATE TYPE mood AS ENUM ('sad', 'happy, no?')",
        "CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0)",
        "CREATE DOMAIN list_price AS price",
        "CREATE DOMAIN label AS text",
        "CREATE TYPE pair AS (n int, t text)",
        # The wheel brings no contrib modules: this is how citext's own script declares the type.
        "CREATE TYPE citext",
        "CREATE FUNCTION citextin(cstring) RETURNS citext LANGUAGE internal IMMUTABLE STRICT "
        "AS 'textin'",
        "CREATE FUNCTION citextout(citext) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT "
        "AS 'textout'",
        "CREATE TYPE citext (INPUT = citextin, OUTPUT = citextout, LIKE = text, CATEGORY = 'S')",
        "CREATE CAST (citext AS text) WITHOUT FUNCTION AS IMPLICIT",
    )


@pytest.mark.parametrize("case", EXACT)
def test_a_value_comes_out_exactly_and_null_stays_null(url: str, case: str) -> None:
    type_, dtype, values = EXACT[case]
    make_v(url, type_, [*map(quoted, values), "NULL"])

    read, evidence = read_v(url, dtype)

    assert read.to_list() == [*values.values(), None]
    assert (evidence.row_count, evidence.rejected.keys) == (len(values) + 1, ())


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int4range", "[1,5)"),
        ("tstzrange", '["2024-01-01 00:00+00",infinity)'),
        ("int4multirange", "{[1,2),[5,9)}"),
        ("bit(5)", "10100"),
        ("varbit", ""),
        ("inet", "192.168.0.1/24"),
        ("inet", "::1"),
        ("cidr", "10.0.0.0/8"),
        ("macaddr", "08:00:2b:01:02:03"),
        ("point", "(1.5,-2)"),
        ("pg_lsn", "16/B374D848"),
        ("xid8", "18446744073709551615"),
        ("pair", '(1,"a, b")'),
        ("pair", "(,)"),
        ("tsvector", "'a':1 'b':2"),
        ("name", "x"),
        ('"char"', "x"),
        ("bool", "t"),
        ("int4[]", "{}"),
        ("money", "3"),
        ("date", "infinity"),
        ("timestamptz", "0044-03-15 00:00+00 BC"),
        ("float8", "1e23"),
    ],
)
def test_any_type_can_be_read_as_the_text_that_postgres_prints(
    url: str, type_: str, value: str
) -> None:
    make_v(url, type_, [quoted(value), "NULL"])
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone = 'UTC'")
        cast = {"int4[]": "to_json(v)::text", "money": "v::numeric::text"}.get(type_, "v::text")
        told = connection.execute(f"SELECT {cast} FROM things ORDER BY id".encode()).fetchall()

    read, _ = read_v(url, pl.String)

    assert read.to_list() == [told[0][0], None]
    assert isinstance(told[0][0], str)


def test_a_float_keeps_its_bits_and_nan_is_not_null(url: str) -> None:
    make_v(url, "float8", ["'NaN'", "NULL", "'-0'", "0.1 + 0.2::float8"])

    read, _ = read_v(url, pl.Float64)

    nan, null, *rest = read.to_list()
    assert math.isnan(nan)
    assert null is None
    assert [struct.pack(">d", x) for x in rest] == [struct.pack(">d", x) for x in (-0.0, 0.1 + 0.2)]
