"""The rows that the UI shows of a day: a Markdown table that no value breaks."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from etl_assets.core.contracts import Contract, column, columns_of
from etl_assets.orchestration.metadata import MASK, preview


class People(Contract):
    id: pl.Int64 = column(description="Number.")
    name: pl.String = column(description="Name.", nullable=True, personal=True)
    note: pl.String = column(description="Note.", nullable=True)


def shown(frame: pl.DataFrame) -> list[list[str]]:
    """The cells of each line, as Markdown reads them; the second line are dashes."""
    first, dashes, *rows = preview(frame, columns_of(People)).splitlines()
    assert re.fullmatch(r"\|(?: ?:?-{3,}:? ?\|)+", dashes)
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in (first, *rows)
    ]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("a|b||c|", "a|b||c|"),
        ("two\nlines\r\nor three", "two lines or three"),
        (None, ""),
        ("", ""),
        ("null", "null"),
        ("naïve 日本 …", "naïve 日本 …"),
        ("w" * 40, "w" * 40),
        ("w" * 41, "w" * 39 + "…"),
        ("|" * 60, "|" * 39 + "…"),
    ],
)
def test_a_text_is_one_cell_of_one_line(value: str | None, cell: str) -> None:
    frame = pl.DataFrame({"id": [1, 2], "note": [value, "next"]})
    assert shown(frame) == [["id", "note"], ["1", cell], ["2", "next"]]


def test_personal_values_are_masked_and_their_absence_is_not() -> None:
    frame = pl.DataFrame({"id": [1, 2], "name": ["Ann", None], "note": ["x", "y"]})
    assert shown(frame) == [["id", "name", "note"], ["1", MASK, "x"], ["2", "", "y"]]


def test_values_of_other_types_are_whole() -> None:
    frame = pl.DataFrame(
        {
            "price": pl.Series([Decimal("123456789012345678.90")], dtype=pl.Decimal(38, 2)),
            "big": [2**62],
            "share": [0.1],
            "at": [datetime(2024, 1, 1, tzinfo=UTC)],
            "tags": [["a|", "b"]],
            "is|it": [True],
        }
    )
    names, row = shown(frame)
    assert names == ["price", "big", "share", "at", "tags", "is|it"]
    assert row[:3] == ["123456789012345678.90", str(2**62), "0.1"]
    assert row[3].startswith("2024-01-01 00:00:00")
    assert "a|" in row[4]
    assert row[5] == "True"


def test_wide_and_long_frames_are_whole() -> None:
    frame = pl.DataFrame({f"column_{n}": ["w" * 40] * 30 for n in range(60)})
    lines = shown(frame)
    assert len(lines) == 31
    assert {len(line) for line in lines} == {60}


def test_no_rows_are_said_to_be_none() -> None:
    assert preview(pl.DataFrame({"id": []}), columns_of(People)) == "*no rows*"
