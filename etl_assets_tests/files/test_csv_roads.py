"""The fast and the strict road through CSV are one: the same rows, bad lines and sums."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import Compression, Csv, Texts
from etl_assets.sources.files.reading import csv_blocks
from etl_assets.sources.files.reading.csv_blocks import CsvReading
from etl_assets.sources.files.reading.read import read_blocks
from etl_assets.sources.files.reading.results import BadLine, FileRefused, Limits, Summary
from etl_assets_tests.amounts import cases
from etl_assets_tests.files.reading import col, read

COLUMNS = [
    col("i", pl.Int64()),
    col("d", pl.Decimal(12, 3)),
    col("f", pl.Float64()),
    col("t", pl.Date()),
    col("m", pl.Datetime("us", "UTC")),
    col("k", pl.Boolean()),
    col("s"),
]
HEADER = b"i,d,f,t,m,k,s\n"

moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(1, 1, 2))
decimals = st.integers(-(10**12) + 1, 10**12 - 1).map(lambda n: Decimal(n).scaleb(-3))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
rows = st.tuples(
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    decimals | st.none(),
    st.floats(allow_nan=False) | st.none(),
    st.dates() | st.none(),
    moments | st.none(),
    st.booleans() | st.none(),
    texts | st.none(),
)


def written(row: tuple[object, ...]) -> bytes:
    """By Python's own writer, which quotes where it must; booleans and nulls by hand."""
    line = io.StringIO()
    shown = [str(v).lower() if isinstance(v, bool) else v for v in row]
    csv.writer(line, lineterminator="\n").writerow(shown[:-1])
    text = "" if row[-1] is None else '"' + str(row[-1]).replace('"', '""') + '"'
    return (line.getvalue().removesuffix("\n") + "," + text + "\n").encode()


@pytest.mark.random
@settings(max_examples=cases(20, 60), deadline=None)
@given(st.lists(rows, max_size=8), st.sampled_from([16, 100, 10_000]))
def test_f9_good_data_is_read_as_it_was_written_and_no_block_takes_the_strict_road(
    wanted: list[tuple[object, ...]], block_bytes: int
) -> None:
    content = HEADER + b"".join(written(row) for row in wanted)
    found = read(content, COLUMNS, limits=Limits(block_bytes=block_bytes), size=10)
    assert found.rows() == wanted
    assert found.bad == []
    line, lines = 2, []
    for row in wanted:
        lines.append(line)
        line += written(row).count(b"\n")
    assert found.lines == lines


def by_road(
    content: bytes,
    columns: list[Column],
    dialect: Csv,
    size: int,
    record_bytes: int,
    *,
    strict: bool,
) -> tuple[list[tuple[object, ...]], list[BadLine], Summary] | str:
    summary = Summary()
    reading = CsvReading(
        dialect,
        columns,
        Limits(block_bytes=50, record_bytes=record_bytes),
        summary,
        overflow=True,
        always_strict=strict,
    )
    good: list[tuple[object, ...]] = []
    bad: list[BadLine] = []
    try:
        for block in reading.blocks([content[n : n + size] for n in range(0, len(content), size)]):
            good += block.frame.rows()
            bad += block.bad
    except FileRefused as refused:
        return refused.reason.partition(" is not in its")[0]
    return good, bad, summary


SIGNS = ["a", "1", ",", ",", ",", '"', '"', '""', "\n", "\n", "\r\n", "\r", "#", " ", "é", "\0"]
WORDS = ['"x"', ',"y,\n"', "a,b\n", "1,2\n", '"1","z"\n', "-7,x\n", "x,1\n", "\n#,\n", "long" * 10]
pieces = st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=40)
dialects = st.sampled_from([Csv(), Csv(quote=None), Csv(comment="#"), Csv(quoted_empty="null")])
contracts = st.sampled_from(
    [
        [col("a", pl.Int64()), col("b")],
        [col("a", pl.Int64(), text=Texts(trim=True, null=("", "x"))), col("b", nullable=False)],
        [col("a")],
    ]
)


@pytest.mark.random
@settings(max_examples=cases(100, 400), deadline=None)
@given(
    pieces,
    dialects,
    contracts,
    st.sampled_from(["a,b\n", "b,a,c\n", "a\n", "a,b\r\n", ""]),
    st.sampled_from([30, 10_000]),
)
def test_f9_f10_both_roads_find_the_same_in_anything(
    text: list[str], dialect: Csv, columns: list[Column], header: str, record_bytes: int
) -> None:
    content = (header + "".join(text) + "\n").encode()
    fast = by_road(content, columns, dialect, 30, record_bytes, strict=False)
    strict = by_road(content, columns, dialect, 1000, record_bytes, strict=True)
    assert fast == strict
    if not isinstance(fast, str):
        good, bad, summary = fast
        assert summary.lines == content.count(b"\n")
        quiet = [line for line in content.split(b"\n")[:-1] if line.strip(b"\r")]
        spans = sum(line.lines for line in bad)
        assert len(good) + spans <= max(len(quiet), summary.lines)


def test_f10_plain_blocks_take_the_fast_road(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the comparison above would compare the strict road with itself."""
    content = HEADER + written((1, Decimal("1.5"), 2.5, date.min, None, True, 'x"\n')) * 1000
    monkeypatch.delattr(csv_blocks, "strict_block")
    assert read(content, COLUMNS).summary.good == 1000


@pytest.mark.random
@settings(max_examples=cases(75, 300), deadline=None)
@given(st.binary(max_size=60), dialects, st.sampled_from([1, 7, 100]))
def test_f11_any_bytes_are_read_or_refused(content: bytes, dialect: Csv, size: int) -> None:
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    reading = read_blocks(chunks, dialect, Compression.NONE, [col("a"), col("b")], missing="null")
    try:
        blocks = list(reading)
    except FileRefused:
        return
    assert reading.summary.records == sum(b.frame.height + len(b.bad) for b in blocks)
