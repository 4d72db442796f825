"""What is counted of the fields of a JSON column, and what is told apart."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_assets.core.field_profile import REPEATED, FieldProfile, profile

EARLY, LATE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 9, tzinfo=UTC)


def types_of(*texts: str | None) -> dict[str | None, dict[str, int]]:
    found = profile(pl.Series(texts, dtype=pl.String))
    return {name: dict(counts.types) for name, counts in found.items()}


def test_null_differs_from_absent_and_each_type_is_counted() -> None:
    assert types_of('{"a": null, "b": 1}', '{"b": "1"}', '{"b": 1.0}', "{}", None) == {
        None: {"object": 4, "null": 1},
        "a": {"null": 1},
        "b": {"integer": 1, "text": 1, "number": 1},
    }


def test_nested_values_are_one_value_and_large_numbers_keep_their_type() -> None:
    text = '{"o": {"x": 1}, "l": [1], "i": 123456789012345678901234567890, "n": 1e400, "t": true}'
    assert types_of(text) == {
        None: {"object": 1},
        "o": {"object": 1},
        "l": {"array": 1},
        "i": {"integer": 1},
        "n": {"number": 1},
        "t": {"boolean": 1},
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a":', "invalid"),
        ("", "invalid"),
        ('{"a": NaN}', "invalid"),
        ("[" * 100_000, "invalid"),
        ("null", "JSON null"),
        ("[1]", "array"),
        ('"a"', "text"),
        ("7", "integer"),
    ],
)
def test_what_is_no_object_is_counted_of_the_column_and_has_no_fields(text: str, kind: str) -> None:
    assert types_of(text) == {None: {kind: 1}}


def test_of_a_repeated_name_the_last_value_counts_once() -> None:
    assert types_of('{"a": 1, "a": "x"}') == {None: {"object": 1, REPEATED: 1}, "a": {"text": 1}}


def test_a_name_that_no_warehouse_holds_is_shown_as_json_writes_it() -> None:
    assert types_of(r'{"\u0000": 1, "\ud800": 1, "": 1, "a.b ü\"": 1}').keys() == {
        None, "\\u0000", "\\ud800", "", 'a.b ü"',
    }  # fmt: skip


def test_a_field_is_seen_from_its_first_to_its_last_row_in_source_time() -> None:
    texts = pl.Series(['{"a": 1}', '{"a": 1}', '{"b": 1}'])
    found = profile(texts, pl.Series([LATE, EARLY, LATE]))
    assert (found["a"].rows, found["a"].first_seen, found["a"].last_seen) == (2, EARLY, LATE)
    assert (found["b"].first_seen, found["b"].last_seen) == (LATE, LATE)
    assert profile(texts)["a"].first_seen is None, "nobody knows"


FIELDS = st.dictionaries(
    st.sampled_from(["a", "b", "", "ü"]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
)


@given(st.lists(FIELDS, max_size=12), st.integers(0, 12))
def test_the_counts_are_those_of_a_plain_loop_however_rows_are_cut(
    rows: list[dict[str, Any]], cut: int
) -> None:
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "text"}
    expected: dict[str, dict[str, int]] = {}
    for row in rows:
        for name, value in row.items():
            # JSON has no infinity: such rows are none.
            kinds = expected.setdefault(name, {})
            kinds[names[type(value)]] = kinds.get(names[type(value)], 0) + 1
    texts = [json.dumps(row).replace("Infinity", "1e999") for row in rows]
    found = FieldProfile()
    for part in (texts[:cut], texts[cut:]):
        found.add(pl.Series(part, dtype=pl.String))
    assert {
        name: dict(of.types) for name, of in found.counts.items() if name is not None
    } == expected
    assert found.counts[None].rows == len(rows)
