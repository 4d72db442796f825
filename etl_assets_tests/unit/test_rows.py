"""How a row is named: in evidence, in quarantine, in tombstones."""

from datetime import UTC, datetime, time
from typing import Any

import polars as pl
import pytest

from etl_assets.core.contracts import Column
from etl_assets.core.rows import keys_of


@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [
        (pl.Int64(), 7, "k=7"),
        (pl.String(), "a, b", "k=a, b"),
        (pl.Binary(), b"\xff\x00", "k=ff00"),
        (pl.Time(), time(1, 2, 3, 4), "k=01:02:03.000004"),
        (
            pl.Datetime("us", "UTC"),
            datetime(2024, 5, 17, 6, 30, tzinfo=UTC),
            "k=2024-05-17 06:30:00.000000+00:00",
        ),
        (pl.Int64(), None, "k IS NULL"),
        (pl.String(), "None", "k=None"),
    ],
)
def test_a_key_is_shown_as_it_is(dtype: pl.DataType, value: Any, shown: str) -> None:
    rows = pl.DataFrame({"k": [value]}, schema={"k": dtype})
    assert keys_of(rows, [Column("k", dtype, nullable=False, description="")]) == [shown]


def test_a_personal_key_is_not_shown() -> None:
    key = Column("email", pl.String(), nullable=False, description="", personal=True)
    (shown,) = keys_of(pl.DataFrame({"email": ["ada@example.com"]}), [key])
    assert shown.startswith("email#")
    assert "ada" not in shown
