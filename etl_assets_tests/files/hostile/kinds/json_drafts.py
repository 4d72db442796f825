"""Lines of JSON for hostile files: contracts, values of all types, and ways to write them."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import JsonLines
from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.cases import of_column as col
from etl_assets_tests.files.hostile.kinds.contracts import CONTRACTS, good_text

DOCUMENT = col("doc", logical="json")
JSON_CONTRACTS = {**CONTRACTS, "document": (col("id", pl.Int64(), nullable=False), DOCUMENT)}
NESTED = [
    *('{"a": 1.10,  "b":[1e400]}', "[]", "{}", '"text"', '"te\\u0078t"', "1.10", "true", "null"),
    *(
        '{"a":{"a":{"a":[[[1]]]}}}',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\ud800x"',
        '"\\udc00\\ud800"',
    ),
    *(
        '{"a":1,"a":2}',
        '{"\\ud800":1}',
        "[1,]",
        '"\\u0000"',
        "123456789012345678901234567890",
        "-0",
    ),
    *(
        '"\\/"',
        '"\u2028"',
        "[1, 2 ,3]",
        '{"a":"\\ud800\\u0041"}',
        '"\\uD83D\\uDE00"',
        '["\\ud83d"]',
    ),
]
VALUES = [
    *(
        "null",
        "true",
        "false",
        '""',
        '"x"',
        "{}",
        "[]",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "01",
    ),
    *(
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "0x1",
        "'x'",
        "True",
        "None",
        "undefined",
        "1_0",
        "--1",
        "1e5",
        "-0",
    ),
    *("1.0", "1.10", "1E2", "9007199254740993", "9223372036854775808", "1e400", "-1e400", "1e-400"),
    *(
        '"\\u0000"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\x"',
        '"\\u12"',
        '"\t"',
        '"\x01"',
        '"\x7f"',
        '"\\',
    ),
    *('"a', "tru", "nulll", '"1"', '"1.5"', '"\\u0031"', '" 7 "', '"n/a"', '"-"', '"NULL"', '"ja"'),
    *("\ufeff1", "1\u00a0", '"\u2028"', "1 2", '"a" "b"', "/* c */ 1", "1 // c", '"a"b', "\u0661"),
    *(
        '"\\udc00"',
        '"\\ud800\\ud800"',
        '"\\ud800\\u0041"',
        '"\\uD800\\uDC0"',
        '"\\ud83dx"',
        "9" * 300,
    ),
]


def good_value(random: Random, column: Column) -> str:
    """A value as JSON has it, which the column takes."""
    if column.logical == "json":
        return random.choice(NESTED[:8])
    if random.random() < 0.2 and column.nullable:
        return "null"
    text = good_text(random, column)
    if isinstance(column.dtype, pl.Boolean):
        return random.choice(["true", "false"])
    if column.dtype.is_numeric():
        plain = column.text is None or column.text.decimal == "."
        return text if plain else random.choice(["1.5", "-7", json.dumps(text)])
    return json.dumps(text, ensure_ascii=random.random() < 0.5)


def lines_of(
    random: Random,
    columns: tuple[Column, ...],
    value: Callable[[Random, Column], str] = good_value,
) -> list[str]:
    """Objects of a few lines, written in several ways."""
    lines = []
    for _ in range(random.randint(1, 12)):
        colon, comma = random.choice([(":", ","), (": ", ", "), (" :\t", " , ")])
        order = random.sample(columns, len(columns)) if random.random() < 0.3 else columns
        pairs = [f'"{column.name}"{colon}{value(random, column)}' for column in order]
        lines.append("{" + comma.join(pairs) + "}")
    return lines


def case_of(columns: tuple[Column, ...], lines: list[str], **changes: Any) -> Case:
    content = "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")
    return Case(content, columns, JsonLines(), **changes)


def chosen(random: Random) -> tuple[Column, ...]:
    return random.choice(list(JSON_CONTRACTS.values()))
