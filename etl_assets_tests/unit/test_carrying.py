"""Missing values are carried forward within bounds, as a loop over the rows would do it."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.carrying import CarryForward

CARRIED = CarryForward(("price", "unit"), ("till", "sku"), ("at", "id"), most=2)
SCHEMA = {
    "id": pl.Int64,
    "at": pl.Int64,
    "till": pl.String,
    "sku": pl.String,
    "price": pl.Int64,
    "unit": pl.String,
}

Row = dict[str, Any]


def by_hand(rows: Sequence[Row]) -> list[Row]:
    last: dict[tuple[str, str, str], tuple[Any, int]] = {}
    made = []
    for before in sorted(rows, key=lambda row: (row["at"], row["id"])):
        row = dict(before)
        for name in ("price", "unit"):
            known = (row["till"], row["sku"], name)
            if row["till"] is None or row["sku"] is None:
                continue
            if row[name] is not None:
                last[known] = (row[name], 0)
            elif known in last:
                value, over = last[known]
                if over < 2:
                    row[name] = value
                last[known] = (value, over + 1)
        made.append(row)
    return sorted(made, key=lambda row: int(row["id"]))


def carried(rows: Sequence[Row]) -> list[Row]:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    return frame.with_columns(*CARRIED.carried()).sort("id").to_dicts()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["1", "2", None]),
            st.sampled_from(["a", "b", None]),
            st.sampled_from([None, None, 5, 7]),
            st.sampled_from([None, "kg"]),
        ),
        max_size=20,
    ),
    st.randoms(),
)
def test_values_are_carried_as_by_hand_whatever_the_order_of_the_rows(
    drawn: list[tuple[Any, ...]], chance: Any
) -> None:
    rows = [dict(zip(SCHEMA, (number, *one), strict=True)) for number, one in enumerate(drawn)]
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert carried(shuffled) == by_hand(rows)


def test_a_value_is_marked_as_carried_only_where_it_was_missing_and_is_not_now() -> None:
    rows = [(1, 1, "1", "a", 5, None), (2, 2, "1", "a", None, None), (3, 3, "2", "a", None, None)]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    assert frame.select(CARRIED.is_carried("price")).to_series().to_list() == [False, True, False]


@pytest.mark.parametrize("wrong", [{"columns": ()}, {"within": ()}, {"order": ()}, {"most": 0}])
def test_bounds_that_are_none_are_refused(wrong: Any) -> None:
    good = {"columns": ("a",), "within": ("b",), "order": ("c",), "most": 1}
    with pytest.raises(ValueError, match="carried within"):
        CarryForward(**{**good, **wrong})
