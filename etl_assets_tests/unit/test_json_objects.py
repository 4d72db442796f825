"""JSON objects are read with their digits and repeated names, also where their text is cut."""

import json

import pytest

from etl_assets.core.json_objects import fields_begun, plain, value_of

WHOLE = '{"id": 1001, "rate": 1e400, "rate": 0.10, "in": {"a": [1.5, null]}, "note": "x, \\"y\\""}'


def test_a_cut_object_has_its_whole_fields_and_no_half_ones() -> None:
    assert list(fields_begun(WHOLE)) == list(value_of(WHOLE))
    for end in range(len(WHOLE)):
        fields = list(fields_begun(WHOLE[:end]))
        assert fields == list(value_of(WHOLE))[: len(fields)]
    assert [name for name, _ in fields] == ["id", "rate", "rate", "in", "note"]
    assert list(fields_begun('{"id": 10')) == []


@pytest.mark.parametrize("text", ["", "[1]", "a,b", "{", '{"a"', "{1: 2}", '{"a": NaN'])
def test_what_begins_no_object_has_no_fields(text: str) -> None:
    assert list(fields_begun(text)) == []


def test_a_number_is_printed_as_it_was_written() -> None:
    given = plain(value_of(WHOLE))
    assert given == {
        "id": 1001,
        "rate": "1e400",
        "rate (2)": "0.10",
        "in": {"a": [1.5, None]},
        "note": 'x, "y"',
    }
    digits = "9" * 5_000
    assert json.dumps(plain(value_of(f"[{digits}, 18446744073709551617, -0]"))) == (
        f'["{digits}", 18446744073709551617, "-0"]'
    )
