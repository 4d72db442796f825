"""Contracts of hostile files, and texts for their columns: good ones and naughty ones.

What a file looks like around them does not belong here.
"""

from random import Random

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Texts
from etl_assets_tests.files.hostile.cases import of_column as col

GERMAN = Texts(decimal=",", thousands=".", null=("", "n/a"))
TRIMMED = Texts(trim=True, null=("", "NULL", "-"))
UTC_US = pl.Datetime("us", "UTC")

CONTRACTS: dict[str, tuple[Column, ...]] = {
    "numbers": (
        col("id", pl.Int64(), nullable=False),
        col("amount", pl.Decimal(10, 2)),
        col("note"),
    ),
    "codes": (col("code", nullable=False), col("flag", pl.Boolean()), col("ratio", pl.Float64())),
    "one": (col("code"),),
    "one number": (col("n", pl.Int32()),),
    "small": (
        col("tiny", pl.Int8()),
        col("huge", pl.UInt64()),
        col("big", pl.Decimal(38, 0)),
        col("exact", pl.Decimal(38, 10), nullable=False),
    ),
    "moments": (
        col("day", pl.Date()),
        col("clock", pl.Time()),
        col("at", pl.Datetime("us")),
        col("seen", UTC_US),
        col("local", UTC_US, source_zone="Europe/Berlin"),
    ),
    "german": (
        col("weight", pl.Float64(), text=GERMAN),
        col("price", pl.Decimal(12, 2), text=GERMAN, nullable=False),
        col("sent", pl.Date(), text=Texts(formats=("%d.%m.%Y", "%d/%m/%Y"))),
        col("yes", pl.Boolean(), text=Texts(true=("ja", "J"), false=("nein", "N"))),
    ),
    "trimmed": (
        col("n", pl.Int32(), text=TRIMMED),
        col("word", text=TRIMMED),
        col("kept", text=Texts(null=("NULL",))),
        col("cut", text=Texts(trim=True, null=("-",))),
    ),
}

WORDS = [
    "x",
    "caf\u00e9",
    "007",
    "a b",
    " lead",
    "trail ",
    "1,5",
    "2;3",
    "a\tb",
    "NULL",
    "n/a",
    "-",
]
NAUGHTY = [
    *('=HYPERLINK("http://x",1)', "@SUM(A1)", "+1+1", "'; DROP TABLE x;--", "<script>", "${jndi}"),
    *(
        "\u202eright",
        "e\u0301",
        "\u00e9",
        "\ufeff",
        "\u200b",
        "\u2028",
        "\u2029",
        "\x85",
        "\x0b",
        "\x0c",
    ),
    *("\x1a", "\x1c", "\x1d", "\x1e", "\x7f", "\x01", "\x1b[31m", "\ufffd", "\uffff", "\U0010ffff"),
    *(
        "\U0001f600",
        "\U0001f468\u200d\U0001f469",
        "undefined",
        "null",
        "None",
        "nil",
        "NaN",
        "true",
    ),
    *("\\", "\\n", "\\N", '\\"', "%00", "../../etc/passwd", "\u0660\u0661", "0x1F", "1e999", "'"),
    *("\u00df", "\u0130", "\ufb01", "\u3000", "\u00a0", "NUL", "#", "--", "1/2", "\u00bd", "''"),
]
NUMBERS = [
    *("0", "1", "-1", "+2", "007", "-0", "127", "128", "-129", "2147483648", "9007199254740993"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551615"),
    *("18446744073709551616", "9" * 38, "1" + "0" * 38, "0" * 60 + "1", "9" * 300),
    *("1.0", "1.10", "1.005", "1.500", ".5", "5.", ".", "-.5", "+.", "99999999.99", "100000000"),
    *("1e3", "1E3", "1e-2", "1e", "e1", "1e400", "-1e400", "1e-400", "4.9e-324", "0.1", "-0.0"),
    *(
        "1,5",
        "1.234,56",
        "1.23,4",
        "1,234.5",
        "1 000",
        "1_000",
        " 1",
        "1 ",
        "\t1",
        "\u0661",
        "1\u00a0",
    ),
    *(
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "+inf",
        "INF",
        "infinit",
        "-nan",
        "0x10",
        "1f",
        "--1",
        "+-1",
    ),
    *(
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "123456789012345678901234567890.1234567891",
    ),
    *("\u22121", "\uff11", "1\u066b5", "1'000", "1..2", "1.2.3", "0.30000000000000004", "+0.0"),
]
MOMENTS = [
    *(
        "2024-01-31",
        "2024-02-29",
        "2023-02-29",
        "2024-02-30",
        "0001-01-01",
        "9999-12-31",
        "0000-01-01",
    ),
    *("2024-1-1", "24-01-01", "20240131", "31.01.2024", "1.2.2024", "31/01/2024", "29.02.2023"),
    *("2024-01-31 10:11", "2024-01-31T10:11:12", "2024-01-31 10:11:12.5", "2024-01-31 10"),
    *("2024-01-31 10:11:12.123456", "2024-01-31 10:11:12.1234567", "2024-01-31 10:11:12.123456000"),
    *(
        "2024-01-31 24:00",
        "2024-01-31 23:59:60",
        "2024-01-31 10:60",
        "2024-01-31  10:11",
        "2024-01-31T",
    ),
    *(
        "2024-01-31 10:11Z",
        "2024-01-31T10:11:12+01:00",
        "2024-01-31 10:11:12-0530",
        "2024-01-31 10+02",
    ),
    *(
        "2024-01-31 10:11 Z",
        "2024-01-31 10:11z",
        "2024-01-31t10:11",
        "2024-01-31Z",
        "2024-01-31+01:00",
    ),
    *(
        "2024-01-31 10:11+24:00",
        "2024-01-31 10:11+23:59",
        "2024-01-31 10:11+00:60",
        "2024-01-31 10:11+1",
    ),
    *("0001-01-01 00:00+01:00", "9999-12-31 23:30-01:00", "2024-10-27 02:30", "2024-03-31 02:30"),
    *("2024-10-27 02:30+02:00", "2024-07-01 12:00", "1900-01-01 00:00", "2024-01-31 10:11:12."),
    *(
        "10:11",
        "10:11:12",
        "10:11:12.5",
        "10:11:12.0000005",
        "24:00",
        "1:02",
        "10",
        "23:59:59.999999",
    ),
    *(
        "10:11Z",
        "10:11:60",
        "10:11:12,5",
        "2024-01-31 10:11:12,5",
        "2024-W05-3",
        "2024-031",
        " 2024-01-31",
    ),
    *(
        "2024-01-31 ",
        "-2024-01-31",
        "+2024-01-31",
        "12024-01-31",
        "2024-13-01",
        "1706695872",
        "today",
    ),
]
BOOLEANS = ["true", "false", "True", "FALSE", "tRue", "1", "0", "yes", "ja", "J", "nein", "N", "t"]
_GOOD: list[tuple[type[pl.DataType], list[str]]] = [
    (pl.Boolean, BOOLEANS[:4]),
    (pl.Date, ["2024-01-31", "0001-01-01", "9999-12-31"]),
    (pl.Time, ["10:11", "10:11:12.5", "23:59:59.999999"]),
    (pl.String, WORDS),
]
_OWN = {
    "weight": ["1,5", "1.234,5", "-7", "1e5"],
    "price": ["1,50", "1.234.567,10", "3"],
    "sent": ["31.01.2024", "1/2/2024"],
    "yes": ["ja", "nein", "J", "N"],
    "seen": ["2024-01-31T10:11:12Z", "2024-01-31 10:11:12.123456+02:00"],
    "at": ["2024-01-31", "2024-01-31 10:11:12.123456"],
    "local": ["2024-01-31 10:11", "2024-07-01 12:00:01.5", "2024-07-01 12:00+05"],
}


def good_text(random: Random, column: Column) -> str:
    """Text that the column takes."""
    if column.name in _OWN:
        return random.choice(_OWN[column.name])
    for dtype, texts in _GOOD:
        if isinstance(column.dtype, dtype):
            return random.choice(texts)
    if column.dtype.is_integer():
        return str(random.randint(0, 127))
    return f"{random.randint(-999, 999)}.{random.randint(0, 99):02}"


def any_text(random: Random, column: Column) -> str:
    """Text of any kind, mostly of the column's."""
    if isinstance(column.dtype, pl.String):
        return random.choice(random.choice([WORDS, NAUGHTY]))
    if isinstance(column.dtype, pl.Boolean):
        own = BOOLEANS
    else:
        own = NUMBERS if column.dtype.is_numeric() else MOMENTS
    return random.choice(random.choice([own, own, own, WORDS, NAUGHTY, ["", "-", "NULL"]]))
