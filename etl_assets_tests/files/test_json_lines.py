"""JSON Lines: values are exact, and each kind of bad line is set aside with its reason."""

import json
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import JsonLines, Texts
from etl_assets.sources.files.reading.results import FileRefused
from etl_assets.sources.files.reading.values import EMPTY
from etl_assets_tests.amounts import cases
from etl_assets_tests.files.reading import SMALL, col, read, refusal

JSON = JsonLines()
BIG = pl.Decimal(38, 0)


def document(name: str) -> Column:
    return Column(name, pl.String(), True, "", logical="json")


def test_f13_numbers_are_exact() -> None:
    columns = [col("n", BIG), col("d", pl.Decimal(10, 2)), col("i", pl.Int64())]
    found = read(b'{"n":12345678901234567890123,"d":1.10,"i":9007199254740993}\n', columns, JSON)
    assert found.rows() == [(12345678901234567890123, Decimal("1.10"), 9007199254740993)]


def test_f13_a_late_key_is_drift_and_a_missing_one_is_null_or_a_bad_line() -> None:
    columns = [col("a", pl.Int64(), nullable=False), col("b")]
    content = b'{"a":1}\n\n{"b":"x","late": [1.10, 2],"a":2,"\\u00e9":null}\n{"b":null}\n'
    found = read(content, columns, JSON, overflow=True)
    assert found.frame.rows() == [
        (1, None, 1, None),
        (2, "x", 3, '{"late":[1.10, 2],"é":null}'),
    ]
    assert found.faults == [(4, "a", EMPTY)]
    assert (found.summary.extra, found.summary.missing) == (["late", "é"], [])
    assert read(b'{"a":1}\n', columns, JSON).summary.missing == ["b"]


def test_f13_nested_values_keep_their_text() -> None:
    content = b'{"j":{"x": 1.10,  "y":[1e400]}}\n{"j":"te\\u0078t"}\n{"j":null}\n{}\n'
    found = read(content, [document("j")], JSON)
    assert found.rows() == [('{"x": 1.10,  "y":[1e400]}',), ('"te\\u0078t"',), (None,), (None,)]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b'{"n":1', None, "is no JSON object"),
        (b"[1]", None, "is no JSON object"),
        (b'{"n":01}', None, "is no JSON object"),
        (b'{"n":NaN}', None, "is no JSON object"),
        (b'{"n":1}{"n":2}', None, "is no JSON object"),
        (b'{"n":1,"n":1}', None, "has a key twice"),
        (b'{"n":1, "s":"a", "n":2}', None, "has a key twice"),
        (b'{"n":1,"\\u006e":2}', None, "has a key twice"),
        (b'{"n":"1"}', "n", "has a JSON text, and the column is Int64"),
        (b'{"n":1.0}', "n", "is no Int64"),
        (b'{"n":1e3}', "n", "is no Int64"),
        (b'{"n":true}', "n", "has a JSON boolean, and the column is Int64"),
        (b'{"n":9223372036854775808}', "n", "is no Int64"),
        (b'{"s":1}', "s", "has a JSON number, and the column is String"),
        (b'{"s":{}}', "s", "has a JSON object, and the column is String"),
        (b'{"s":"\\ud800"}', None, "is no JSON object"),
        (b'{"s":"\\u0000"}', "s", "has a NUL character"),
        (b'{"s":"\0"}', None, "is no JSON object"),
        (b'{"k":1}', "k", "has a JSON number, and the column is Boolean"),
        (b'{"t":20240131}', "t", "has a JSON number, and the column is Date"),
        (b'{"t":"2024-02-30"}', "t", "is no Date by ISO 8601"),
        (b'{"s":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "is nested too deeply"),
    ],
)
def test_f13_a_line_that_is_wrong_is_set_aside(
    line: bytes, column: str | None, reason: str
) -> None:
    columns = [col("n", pl.Int64()), col("s"), col("k", pl.Boolean()), col("t", pl.Date())]
    good = b'{"n": -7, "s":"\\u00e9\\n", "k":false, "t":"2024-01-31"}\r\n'
    found = read(good + line + b"\n" + good, columns, JSON)
    assert found.lines == [1, 3]
    assert [row[:3] for row in found.rows()] == [(-7, "é\n", False)] * 2
    assert [(bad.line, bad.column) for bad in found.bad] == [(2, column)]
    assert found.bad[0].reason.startswith(reason)
    assert found.bad[0].raw == line.decode()[:2000]


def test_text_is_a_number_only_where_the_contract_says_how() -> None:
    columns = [
        col("n", pl.Decimal(10, 2), text=Texts(decimal=",", null=("", "n/a"))),
        col("k", pl.Boolean(), text=Texts(true=("Y",), false=("N",))),
        col("s", text=Texts(null=("-",))),
    ]
    content = (
        b'{"n":1.5,"k":true,"s":""}\n{"n":"1,5","k":"N","s":"-"}\n{"n":"n/a","k":null}\n'
        b'{"n":"1.5"}\n{"k":"true"}\n'
    )
    found = read(content, columns, JSON)
    half = Decimal("1.50")
    assert found.rows() == [(half, True, ""), (half, False, None), (None, None, None)]
    assert [(bad.line, bad.column) for bad in found.bad] == [(4, "n"), (5, "k")]


def test_f6_f11_files_that_cannot_be_trusted_are_refused() -> None:
    assert "no line end" in refusal(b'{"a":1}\n{"a":2}', [col("a")], JSON)
    assert "line 2 is not" in refusal(b'{"a":"x"}\n{"a":"\xff"}\n', [col("a")], JSON)
    assert read(b"", [col("a")], JSON).rows() == []
    assert read(b'\xef\xbb\xbf{"a":"x"}\n', [col("a")], JSON).rows() == [("x",)]


def test_f8_a_line_beyond_the_limit_is_bad_and_the_next_one_is_read() -> None:
    content = b'{"a":"x"}\n{"a":"' + b"y" * 1000 + b'"}\n{"a":"z"}\n'
    for size in (10, 5000):
        found = read(content, [col("a")], JSON, limits=SMALL, size=size)
        assert (found.rows(), found.lines) == ([("x",), ("z",)], [1, 3])
        assert found.faults == [(2, None, "is longer than 256 bytes")]


objects = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=3),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8"), max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner),
        max_leaves=3,
    ),
    max_size=4,
)


@pytest.mark.random
@settings(max_examples=cases(50, 150), deadline=None)
@given(st.lists(objects, max_size=5), st.booleans(), st.booleans())
def test_f13_every_key_of_any_object_is_kept(
    rows: list[dict[str, object]], is_compact: bool, is_ascii: bool
) -> None:
    separators = (",", ":") if is_compact else (", ", ": ")
    lines = [json.dumps(row, separators=separators, ensure_ascii=is_ascii) for row in rows]
    try:
        content = "".join(line + "\n" for line in lines).encode()
    except UnicodeEncodeError:  # half a surrogate pair, in a key of a nested object
        return
    columns = [document("a")]
    found = read(content, columns, JSON, overflow=True)
    for value, line, rest in found.frame.rows():
        row = json.loads(rest or "{}") | ({} if value is None else {"a": json.loads(value)})
        assert row == {k: v for k, v in rows[line - 1].items() if k != "a" or v is not None}
    for bad in found.bad:
        assert "\\ud" in json.dumps(rows[bad.line - 1]), "half a surrogate pair"


@pytest.mark.random
@settings(max_examples=cases(50, 200), deadline=None)
@given(st.binary(max_size=40) | st.text('{}[]":,\\ua1e-.\n ', max_size=40).map(str.encode))
def test_f13_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read(content + b"\n", [col("a", pl.Int64()), document("b")], JSON, overflow=True)
    except FileRefused:
        return
