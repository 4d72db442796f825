"""Text to values: what each dtype accepts is exact, and nothing else is accepted."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.contracts import Ambiguous, Column, Contract, column, columns_of
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.file_formats import Csv, Texts
from etl_assets.sources.files.reading.values import check_readable, values_of
from etl_assets_tests.files.reading import col

BAD = "bad"
UTC_US = pl.Datetime("us", "UTC")


def values(texts: list[str | None], declared: Column) -> list[Any]:
    """Each text's value, BAD for what is none."""
    found = pa.chunked_array([pa.array(texts, pa.large_string())])
    read = values_of(found, declared)
    assert read.values.dtype == declared.dtype
    failed = [False] * len(texts) if read.failed is None else read.failed.to_list()
    return [BAD if bad else v for v, bad in zip(read.values.to_list(), failed, strict=True)]


def test_f12_integers_are_a_sign_and_digits() -> None:
    texts = ["7", "+7", "-7", "007", "1.0", "1e3", " 7", "7 ", "0x7", "1_0", "", "-", "٣", None]
    wanted = [7, 7, -7, 7, *[BAD] * 9, None]
    assert values(texts, col("x", pl.Int64())) == wanted
    assert values(["127", "128", "-129"], col("x", pl.Int8())) == [127, BAD, BAD]
    assert values(["18446744073709551615", "-1"], col("x", pl.UInt64())) == [2**64 - 1, BAD]


numbers = st.from_regex(r"[+-]?0{0,3}[0-9]{0,6}(\.[0-9]{0,4}0{0,3})?(e[0-9])?", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(numbers | st.text("0123456789+-.e ", max_size=6), min_size=1, max_size=20))
def test_decimals_are_exact_or_bad(texts: list[str]) -> None:
    def wanted(text: str) -> object:
        if not re.fullmatch(r"[+-]?[0-9]*\.?[0-9]*", text):
            return BAD
        try:
            number = Decimal(text)
        except InvalidOperation:
            return BAD
        fits = abs(number) < 10**5 and number == round(number, 2)
        return number if fits else BAD

    assert values(list(texts), col("x", pl.Decimal(7, 2))) == [wanted(text) for text in texts]


def test_floats_that_are_too_large_are_bad_and_infinity_has_a_name() -> None:
    found = values(["1e5", "1e400", "-inf", "Infinity", ".5", "1,5", "x"], col("x", pl.Float64()))
    assert found == [1e5, BAD, -float("inf"), float("inf"), 0.5, BAD, BAD]
    assert values(["3e38", "4e38"], col("x", pl.Float32()))[1] == BAD
    assert str(values(["NaN"], col("x", pl.Float64()))) == "[nan]"


def test_booleans_and_nulls_are_the_declared_words() -> None:
    assert values(["true", "FALSE", "1", ""], col("x", pl.Boolean())) == [True, False, BAD, BAD]
    words = Texts(true=("J",), false=("N", ""), null=("?",))
    assert values(["J", "", "?", None, "true"], col("x", pl.Boolean(), text=words)) == [
        *(True, False, None, False, BAD)
    ]
    blanks = Texts(trim=True, null=("", "NULL"))
    assert values([" 7\t", " ", "NULL ", "x"], col("x", text=blanks)) == ["7", None, None, "x"]


def test_numbers_may_have_other_signs() -> None:
    german = col("x", pl.Decimal(12, 2), text=Texts(decimal=",", thousands="."))
    texts = ["1.234,50", "1234,5", "-1.234.567", "12.34", "1.2345,0", "1,2,3", "", None, "1.5"]
    wanted = [Decimal("1234.5"), Decimal("1234.5"), Decimal(-1234567), *[BAD] * 4, None, BAD]
    assert values(texts, german) == wanted
    spaced = col("x", pl.Int32(), text=Texts(thousands=" "))
    assert values(["1 234", "12 34"], spaced) == [1234, BAD]


def test_dates_and_times_are_iso_8601() -> None:
    texts = ["2024-02-29", "2023-02-29", "2024-2-9", "24-02-09", "0000-01-01", "2024-02-29T00"]
    assert values(texts, col("x", pl.Date())) == [date(2024, 2, 29), *[BAD] * 5]
    texts = ["10:11", "10:11:12.5", "10", "24:00", "1:02", "10:11:60", None]
    wanted = [time(10, 11), time(10, 11, 12, 500_000), *[BAD] * 4, None]
    assert values(texts, col("x", pl.Time())) == wanted
    moment = datetime(2024, 1, 31, 10, 11, 12, 120_000)
    texts = ["2024-01-31 10:11:12.12", "2024-01-31T10:11:12.120000000", "2024-01-31", "x"]
    assert values(texts, col("x", pl.Datetime("us"))) == [
        *(moment, moment, datetime(2024, 1, 31), BAD)
    ]
    texts = ["2024-01-31T10:11:12.12Z", "2024-01-31 11:11:12.12+01", "2024-01-31 10:11:12"]
    utc = moment.replace(tzinfo=UTC)
    assert values(texts, col("x", UTC_US)) == [utc, utc, BAD]
    texts = ["2024-01-31 10:11:12.1234567", "0001-01-01T00:00+01", "9999-12-31T23:59-01", "2024-01"]
    assert values(texts, col("x", UTC_US)) == [BAD] * 4


@pytest.mark.parametrize(
    ("ambiguous", "twice", "never"),
    [
        ("raise", BAD, BAD),
        ("null", None, None),
        ("earliest", datetime(2024, 10, 27, 0, 30, tzinfo=UTC), BAD),
        ("latest", datetime(2024, 10, 27, 1, 30, tzinfo=UTC), BAD),
    ],
)
@pytest.mark.parametrize("formats", [(), ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M%z")])
def test_c17_local_times_are_of_the_contracts_zone(
    ambiguous: Ambiguous, twice: object, never: object, formats: tuple[str, ...]
) -> None:
    berlin = Column(
        *("x", UTC_US, True, ""),
        source_zone="Europe/Berlin",
        ambiguous=ambiguous,
        text=Texts(formats=formats),
    )
    texts = ["2024-07-01 12:00", "2024-10-27 02:30", "2024-03-31 02:30", "2024-07-01 12:00+0100"]
    wanted = [datetime(2024, 7, 1, 10, tzinfo=UTC), twice, never]
    wanted += [datetime(2024, 7, 1, 11, tzinfo=UTC), BAD, None]
    assert values([*texts, "2024-13-01 10:00", None], berlin) == wanted


def test_dates_and_times_may_have_formats() -> None:
    forms = Texts(formats=("%d/%m/%Y", "%b %d %Y"))
    texts = ["31/1/2024", "Jan 31 2024", "31/01/24", "2024-01-31", "30/02/2024", None]
    day = date(2024, 1, 31)
    assert values(texts, col("x", pl.Date(), text=forms)) == [day, day, BAD, BAD, BAD, None]
    forms = Texts(formats=("%d.%m.%Y %I:%M:%S.%f %p",))
    texts = ["31.01.2024 1:02:03.5 PM", "31.01.2024 13:02:03.5 PM", "31.01.2024 1:02:03.1234567 PM"]
    wanted = [datetime(2024, 1, 31, 13, 2, 3, 500_000), BAD, BAD]
    assert values(texts, col("x", pl.Datetime("us"), text=forms)) == wanted
    forms = Texts(formats=("%H%M",))
    assert values(["1011", "2460"], col("x", pl.Time(), text=forms)) == [time(10, 11), BAD]


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (pl.Datetime("ms"), None),
        (pl.Datetime("us", "Europe/Berlin"), None),
        (pl.List(pl.Int64()), None),
        (pl.Binary(), None),
        (pl.Int64(), Texts(formats=("%Y-%m-%d",))),
        (pl.Date(), Texts(formats=("%Y-%m-%d %H",))),
        (pl.Time(), Texts(formats=("%Y-%m-%d",))),
        (pl.Datetime("us"), Texts(formats=("%Y-%m-%d %H:%M%z",))),
        (UTC_US, Texts(formats=("%H:%M",))),
    ],
    ids=str,
)
def test_a_column_that_no_text_is_read_as_is_refused(
    declared: pl.DataType, text: Texts | None
) -> None:
    with pytest.raises(ContractMismatch, match="Column 'x'"):
        check_readable([col("x", declared, text=text)])


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (Csv, {"delimiter": ";;"}, "one ASCII character"),
        (Csv, {"delimiter": "\n"}, "one ASCII character"),
        (Csv, {"quote": "é"}, "one ASCII character"),
        (Csv, {"quote": ","}, "different characters"),
        (Csv, {"comment": '"'}, "different characters"),
        (Csv, {"delimiter": "-"}, "part of values"),
        (Csv, {"encoding": "utf-99"}, "no text encoding"),
        (Csv, {"encoding": "base64"}, "no text encoding"),
        (Texts, {"formats": "%Y"}, "tuple of texts"),
        (Texts, {"formats": ("%d/%m/%y",)}, "'%y'"),
        (Texts, {"formats": ("%d/%m",)}, "neither a whole date"),
        (Texts, {"formats": ("%Y-%m-%d %I:%M",)}, "both %I and %p"),
        (Texts, {"formats": ("%Y-%m-%d%",)}, "'%'"),
        (Texts, {"decimal": ",", "thousands": ","}, "both decimal and thousands"),
        (Texts, {"decimal": "1"}, "one character"),
        (Texts, {"true": ("x",), "false": ("x",)}, "only one of"),
        (Texts, {"true": ()}, "a word for true"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    make: type[Csv] | type[Texts], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        make(**options)


def test_a_contract_says_how_text_becomes_values() -> None:
    class Sales(Contract):
        sold_on: pl.Date = column(description="Day.", text=Texts(formats=("%d/%m/%Y",)))

    assert columns_of(Sales)[0].text == Texts(formats=("%d/%m/%Y",))
