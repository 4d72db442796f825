"""CSV: each kind of bad input, and what becomes of it; line numbers are exact."""

import json
from dataclasses import replace

import polars as pl
import pytest

from etl_assets.core.file_formats import Csv, Texts
from etl_assets.sources.files.reading.csv_records import OPEN_QUOTE
from etl_assets.sources.files.reading.results import Limits
from etl_assets_tests.files.reading import SMALL, col, read, refusal

AB = [col("a"), col("b")]
N = [col("n", pl.Int64()), col("b")]


def test_f12_columns_are_found_by_name_in_any_order() -> None:
    found = read(b"b,x,a\n1,2,3\n", AB, overflow=True)
    assert found.frame.rows() == [("3", "1", 2, '{"x":"2"}')]
    assert (found.summary.names, found.summary.extra) == (["b", "x", "a"], ["x"])
    assert read(b"b,x,a\n1,2,3\n", AB).rows() == [("3", "1")]


def test_f12_other_columns_are_json_whatever_their_names() -> None:
    content = b'a,b,"x""\\\n",\xc3\xa9\n1,2,"3""\\\n",\n4,5,"",\xc3\xa9\n'
    found = read(content, AB, overflow=True)
    kept = [json.loads(row[-1]) for row in found.frame.rows()]
    assert kept == [{'x"\\\n': '3"\\\n', "é": None}, {'x"\\\n': "", "é": "é"}]


def test_f12_a_header_that_has_a_name_twice_is_refused_with_both_places() -> None:
    assert refusal(b"a,b,x,b\n", AB) == "columns 2 and 4 are both named 'b'"


def test_f12_a_column_that_the_file_lacks_is_refused_unless_it_may_be_null() -> None:
    needed = [col("a"), col("b", pl.Int32()), col("c", nullable=False)]
    assert refusal(b"a\n1\n", needed) == "it lacks columns that the contract needs: 'b', 'c'"
    found = read(b"a\n1\n", needed[:2], missing="null")
    assert (found.rows(), found.summary.missing) == ([("1", None)], ["b"])


def test_f12_the_header_in_mid_file_is_a_bad_line() -> None:
    found = read(b"a,b\n1,2\na,b\n3,4\r\na,b\r\n", AB)
    assert found.rows() == [("1", "2"), ("3", "4")]
    assert found.faults == [(3, None, "repeats the header"), (5, None, "repeats the header")]


def test_f12_leading_zeros_stay_in_text() -> None:
    assert read(b"n,b\n007,007\n", N).rows() == [(7, "007")]


def test_without_a_header_the_fields_are_the_contracts_columns() -> None:
    assert read(b"1,x\n", N, Csv(header=False)).rows() == [(1, "x")]
    assert read(b"", N, Csv(header=False)).rows() == []


def test_f6_a_file_whose_last_line_has_no_end_is_refused() -> None:
    for content in (b"a,b\n1,2\n3,12", b"a,b\n1,2\n3,", b"a,b", b'a,b\n1,"2', b"a,b\r1,2\r"):
        assert "no line end" in refusal(content, AB)


def test_a_file_without_a_header_is_refused_and_one_without_rows_is_good() -> None:
    for content in (b"", b"\n\n", b"\xef\xbb\xbf"):
        assert refusal(content, AB) == "it has no header"
    found = read(b"a,b\n", AB)
    assert (found.rows(), found.summary.names, found.summary.records) == ([], ["a", "b"], 0)
    assert found.summary.lines == 1


def test_f9_a_record_with_too_few_or_too_many_fields_is_set_aside() -> None:
    found = read(b"a,b\n1,2\n3\n4,5,6\n\n7,8\n", AB)
    assert (found.rows(), found.lines) == ([("1", "2"), ("7", "8")], [2, 6])
    assert found.faults == [(3, None, "has 1 field, not 2"), (4, None, "has 3 fields, not 2")]
    assert [bad.raw for bad in found.bad] == ["3", "4,5,6"]


def test_blank_lines_are_no_records_unless_there_is_one_column() -> None:
    found = read(b"\r\na,b\n\n1,2\n\r\n\n3,4\n\n", AB)
    assert (found.rows(), found.lines) == ([("1", "2"), ("3", "4")], [4, 7])
    found = read(b'a\n\n1\n""\n\r\n', [col("a")])
    assert (found.rows(), found.lines) == ([(None,), ("1",), ("",), (None,)], [2, 3, 4, 5])


def test_f10_a_quoted_field_may_hold_line_ends_and_the_lines_are_counted() -> None:
    found = read(b'a,b\n"1\n\r\nx",2\n3,"4""5"\n', AB)
    assert (found.rows(), found.lines) == ([("1\n\r\nx", "2"), ("3", '4"5')], [2, 5])
    assert found.summary.lines == 5


def test_f10_an_unclosed_quote_takes_the_rest_with_it_and_says_so() -> None:
    found = read(b'a,b\n1,2\n3,"4\n5,6\n7,8\n', AB)
    assert (found.rows(), found.faults) == ([("1", "2")], [(3, None, OPEN_QUOTE)])
    assert (found.bad[0].raw, found.bad[0].lines) == ('3,"4\n5,6\n7,8\n', 3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'5,6" pipe', "has a quote amid a field that is not quoted"),
        (b'5,"6"x', "has text after a closing quote"),
        (b'"5"x,"6"', "has text after a closing quote"),
        (b"5,6\r7", "has a carriage return that ends no line"),
        (b"5,6\r", "has a carriage return that ends no line"),
        (b"5,\x006", "has a NUL byte"),
        (b'5,"\x006"', "has a NUL byte"),
    ],
)
def test_f10_f11_what_is_wrong_with_a_line_is_said_and_the_others_load(
    line: bytes, reason: str
) -> None:
    end = b"\r\n" if line.endswith(b"\r") else b"\n"
    found = read(b'a,b\n1,"x\ny"\n' + line + end + b'3,"4"\n', AB)
    assert (found.rows(), found.lines) == ([("1", "x\ny"), ("3", "4")], [2, 5])
    assert found.faults == [(4, None, reason)]
    assert found.bad[0].raw == line.decode().removesuffix("\r")


def test_f10_a_bad_record_of_many_lines_ends_with_the_line_that_is_wrong() -> None:
    found = read(b'a,b\n1,"x\ny"z\n3,4\n', AB)
    assert (found.rows(), found.lines) == ([("3", "4")], [4])
    assert (found.bad[0].line, found.bad[0].lines, found.bad[0].raw) == (2, 2, '1,"x\ny"z')


def test_f11_a_mark_and_either_line_end_are_no_part_of_values() -> None:
    assert read(b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\n", AB).rows() == [("1", "2"), ("3", "4")]
    assert read(b"\xef\xbb\xbf1,2\n", AB, Csv(header=False), size=1).rows() == [("1", "2")]


def test_f11_another_encoding_than_the_declared_one_refuses_the_file() -> None:
    content = "a,b\n1,2\n3,é\n"
    latin, wide = content.encode("latin-1"), content.encode("utf-16")
    assert refusal(latin, AB) == "line 3 is not in its declared encoding, utf-8"
    assert refusal(wide, AB)
    assert "declared encoding, utf-16" in refusal(wide[:-1], AB, Csv(encoding="utf-16"))
    assert "declared encoding" in refusal(b"a,b\n1,\xed\xa0\x80\n", AB)
    assert "declared encoding, ascii" in refusal(latin, AB, Csv(encoding="ascii"))
    for encoding, data in (("latin-1", latin), ("utf-16", wide)):
        found = read(data, AB, Csv(encoding=encoding), size=3)
        assert found.rows() == [("1", "2"), ("3", "é")]


def test_f15_a_formula_is_data() -> None:
    found = read(b'a,b\n"=HYPERLINK(""http://x"",1)",@x\n', AB)
    assert found.rows() == [('=HYPERLINK("http://x",1)', "@x")]


def test_an_empty_field_is_null_and_an_empty_text_is_not() -> None:
    content = b'a,b\n,""\n'
    assert read(content, AB).rows() == [(None, "")]
    assert read(content, AB, Csv(quoted_empty="null")).rows() == [(None, None)]
    assert read(content, [col("a", text=Texts(null=("-",))), col("b")]).rows() == [("", "")]


def test_f9_a_value_that_does_not_parse_sets_its_record_aside() -> None:
    columns = [col("n", pl.Int64(), nullable=False), col("b", pl.Date())]
    found = read(b"n,b\n1,2024-01-31\n1.0,2024-01-31\n3,31/01/2024\n,\nx,y\n5,\n", columns)
    assert [row[0] for row in found.rows()] == [1, 5]
    assert found.faults == [
        (3, "n", "is no Int64"),
        (4, "b", "is no Date by ISO 8601"),
        (5, "n", "is empty, and the contract's column is not nullable"),
        (6, "n", "is no Int64"),
    ]


def test_other_delimiters_quotes_and_comments() -> None:
    dialect = Csv(delimiter="\t", quote="'", comment="#")
    found = read(b"# it's\na\tb\n#\t'x\n'1\t2'\t\"\n#\n", AB, dialect)
    assert (found.rows(), found.lines) == ([("1\t2", '"')], [4])
    assert read(b'a,b\n"1",2"\n', AB, Csv(quote=None)).rows() == [('"1"', '2"')]


def test_f8_a_record_beyond_the_limit_is_bad_and_the_next_one_is_read() -> None:
    long = b"1," + b"x" * 1000
    found = read(b"a,b\n" + long + b"\n3,4\n", AB, limits=SMALL, size=50)
    assert (found.rows(), found.lines) == ([("3", "4")], [3])
    assert found.faults == [(2, None, "is longer than 256 bytes")]
    assert len(found.bad[0].raw) == 40
    found = read(b"a,b\n" + long + b"\n3,4\n", AB, limits=replace(SMALL, block_bytes=5000))
    assert (found.lines, found.faults) == ([3], [(2, None, "is longer than 256 bytes")])
    for size in (50, 100_000):
        found = read(b'a,b\n1,"' + b"x\n" * 1000 + b'",5\n3,4\n', AB, limits=SMALL, size=size)
        assert found.rows() == []
        assert found.faults == [(2, None, f"is longer than 256 bytes, and {OPEN_QUOTE}")]
        assert found.bad[0].lines == 1002
    assert "header is longer" in refusal_small(b"a,b" + b"x" * 1000 + b"\n")


def refusal_small(content: bytes) -> str:
    with pytest.raises(Exception, match="refused") as caught:
        read(content, AB, limits=SMALL)
    return str(caught.value)


def test_records_are_whole_wherever_blocks_are_cut() -> None:
    records = b"".join(b'%d,"x\n""%d"\r\n' % (n, n) for n in range(200))
    for size in (1, 7, 64, 1000):
        found = read(b"n,b\n" + records, N, limits=SMALL, size=size)
        assert found.rows() == [(n, f'x\n"{n}') for n in range(200)]
        assert found.lines == [2 + 2 * n for n in range(200)]


def test_many_bad_lines_are_told_apart_in_one_block() -> None:
    content = b"n,b\n" + b"".join(b"%d,y\nx,y\n" % n for n in range(5000))
    found = read(content, N, limits=Limits(block_bytes=10_000))
    assert (found.frame["n"].sum(), len(found.bad)) == (sum(range(5000)), 5000)
    assert [bad.line for bad in found.bad] == list(range(3, 10_003, 2))


def test_f10_a_file_with_a_bad_quote_here_and_there_changes_roads_and_loses_no_line() -> None:
    wrong = range(7, 40_000, 9_000)
    lines = [b'%d,5" pipe' % n if n in wrong else b'%d,"x"' % n for n in range(40_000)]
    lines[20_000] = b"n,b"
    found = read(b"n,b\n" + b"\n".join(lines) + b"\n", N)
    at_fault = sorted([*wrong, 20_000])
    assert [bad.line for bad in found.bad] == [n + 2 for n in at_fault]
    assert found.frame["n"].to_list() == [n for n in range(40_000) if n not in at_fault]
    assert found.frame.select(pl.col("_line") - 2 == pl.col("n")).to_series().all()
