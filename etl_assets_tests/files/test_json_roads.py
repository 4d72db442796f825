"""The fast and the strict road through JSON Lines find the same, whatever the lines are."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Texts
from etl_assets.sources.files.reading import json_lines
from etl_assets.sources.files.reading.json_lines import JsonReading
from etl_assets.sources.files.reading.results import BadLine, FileRefused, Limits, Summary
from etl_assets_tests.amounts import cases
from etl_assets_tests.files.reading import col

Found = tuple[list[tuple[object, ...]], list[BadLine], Summary] | str


def by_road(content: bytes, columns: list[Column], *, overflow: bool, strict: bool) -> Found:
    summary = Summary()
    reading = JsonReading(
        columns,
        Limits(block_bytes=400, record_bytes=120),
        summary,
        overflow=overflow,
        always_strict=strict,
    )
    good: list[tuple[object, ...]] = []
    bad: list[BadLine] = []
    try:
        for block in reading.blocks([content]):
            good += block.frame.rows()
            bad += block.bad
    except FileRefused as refused:
        return refused.reason.partition(" is not in its")[0]
    return good, bad, summary


VALUES = [
    *("1", "-0", "01", "1.0", "1.50", "1e2", "99999999999999999999", "null", "nul", "true", "NaN"),
    *('""', '"x"', '"1"', '"é"', '"a\\n\\\\"', '"\\u0041"', '"\\u0000"', '"\\ud800"', '"\\x"'),
    *('"2024-05-17"', '"2024-05-17T10:11:12Z"', "[1]", '{"b":1}', '"a', '"\t"', '"\x7f"', '"n/a"'),
]
values = st.sampled_from(VALUES)
odd = st.sampled_from(["", " ", "{}", "{", "x", '{"a":1}', '{"b":"x","a":1}', "{" + "y" * 130])
SHAPES = [
    *('{{"a":{},"b":{}}}', '{{"a": {}, "b": {}}}', '{{"a":{},"b":{}}}\r', '{{"b":{},"a":{}}}'),
    *(
        '{{"a":{},"a":{}}}',
        '{{"a":{},"b":{},"c":"q"}}',
        ' {{"a":{},"b":{}}} ',
        '{{"a":{},"b":{}}},',
    ),
]
shapes = st.sampled_from(SHAPES)
lines = st.builds(str.format, shapes, values, values) | odd
contracts = st.sampled_from(
    [
        [col("a", pl.Int64()), col("b")],
        [col("a", pl.Decimal(8, 2), nullable=False), col("b", text=Texts(null=("n/a",)))],
        [col("a", pl.Boolean()), col("b", pl.Date(), nullable=False)],
        [col("b", pl.Datetime("us", "UTC")), col("c")],
        [col("a", pl.Float64(), text=Texts()), col("b")],
    ]
)


@pytest.mark.random
@settings(max_examples=cases(100, 400), deadline=None)
@given(
    st.lists(lines, max_size=3),
    shapes,
    values,
    values,
    st.integers(0, 12),
    contracts,
    st.booleans(),
)
def test_f13_both_roads_find_the_same_in_anything(
    some: list[str],
    shape: str,
    first: str,
    second: str,
    often: int,
    columns: list[Column],
    overflow: bool,
) -> None:
    same = [shape.format(first, second)] * often
    content = "".join(line + "\n" for line in [*same, *some, *same]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_LINES_A_RUN", 1)
        fast = by_road(content, columns, overflow=overflow, strict=False)
    assert fast == by_road(content, columns, overflow=overflow, strict=True)


def test_f13_good_lines_take_the_fast_road_and_keep_what_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        {"a": n * 10**15, "b": f'{n} "é" \\ /', "c": None if n % 3 else n / 7, "d": n % 2 == 0}
        for n in range(1000)
    ]
    for separators in ((",", ":"), (", ", ": ")):
        text = "".join(
            json.dumps(row, ensure_ascii=False, separators=separators) + "\n" for row in rows
        )
        columns = [col("a", pl.Int64()), col("b"), col("c", pl.Float64()), col("d", pl.Boolean())]
        reading = JsonReading(columns, Limits(), Summary(), overflow=False)
        monkeypatch.setattr(reading, "_block", None)
        frame = pl.concat([block.frame for block in reading.blocks([text.encode()])])
        assert frame.drop("_line").to_dicts() == rows
        assert frame["_line"].to_list() == list(range(1, 1001))
