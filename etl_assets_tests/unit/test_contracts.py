"""What follows from a contract: columns, keys, rules."""

import math
from datetime import date
from typing import Annotated, Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.types import PolarsData

from etl_assets.core.contracts import (
    Contract,
    column,
    columns_of,
    key_of,
    polars_schema,
)
from etl_assets.core.rules import rules_of
from etl_assets.table_modules import tables_from
from etl_assets_tests.source_tables import contract_of


class Things(Contract):
    id: pl.Int64 = column(description="Number.", ge=1)
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")
    price: Annotated[pl.Decimal, 18, 2] = column(description="Price.", unit="euro", nullable=True)
    name: pl.String = column(
        description="Name.", nullable=True, personal=True, max_null_ratio=0.1, isin=["x"]
    )
    weight: pl.Float64 = column(description="Weight.", allow_nan=True, nullable=True)
    share: pl.Float64 = column(description="Share.", nullable=True)

    class Config:
        unique = ("id", "at")


class Keyless(Contract):
    id: pl.Int64 = column(description="Number.")


def test_columns_are_as_declared() -> None:
    by_name = {declared.name: declared for declared in columns_of(Things)}
    assert list(by_name) == ["id", "at", "price", "name", "weight", "share"]
    assert by_name["at"].dtype == pl.Datetime("us", "UTC")
    assert by_name["price"].dtype == pl.Decimal(18, 2)
    assert (by_name["price"].unit, by_name["price"].nullable) == ("euro", True)
    assert (by_name["name"].personal, by_name["name"].max_null_ratio) == (True, 0.1)
    assert (by_name["id"].nullable, by_name["id"].description) == (False, "Number.")
    assert by_name["id"].rules == ("greater_than_or_equal_to(1)",)
    assert polars_schema(columns_of(Things))["weight"] == pl.Float64()


def test_the_key_is_what_is_declared_unique() -> None:
    assert key_of(Things) == ("id", "at")


def test_a_contract_without_a_key_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"Keyless declares no key.*unique"):
        key_of(Keyless)


def test_p3_rules_cover_required_values_nan_and_pandera_checks() -> None:
    assert [(rule.column, rule.name) for rule in rules_of(Things)] == [
        ("id", "not_null"),
        ("id", "greater_than_or_equal_to(1)"),
        ("at", "not_null"),
        ("name", "isin(['x'])"),
        ("share", "not_nan"),
    ]


def test_a_rule_says_of_each_row_whether_it_is_kept() -> None:
    frame = pl.DataFrame({"id": [1, None, 0]}, schema={"id": pl.Int64})
    by_name = {rule.name: rule for rule in rules_of(Keyless)}
    assert by_name["not_null"].kept(frame).to_list() == [True, False, True]
    assert by_name["not_null"].kept(frame.clear()).to_list() == []


CHECKED: dict[str, tuple[type[pl.DataType], dict[str, Any], list[Any]]] = {
    "eq": (pl.Int64, {"eq": 1}, [0, 1, None]),
    "ne": (pl.Int64, {"ne": 1}, [0, 1, None]),
    "gt": (pl.Float64, {"gt": 1}, [0.5, 1.0, 1.5, math.nan, math.inf, None]),
    "ge": (pl.Int64, {"ge": 1}, [0, 1, 2, None]),
    "lt": (pl.Date, {"lt": date(2024, 1, 2)}, [date(2024, 1, 1), date(2024, 1, 2), None]),
    "le": (pl.Int64, {"le": 1}, [0, 1, 2, None]),
    "in_range": (pl.Int64, {"in_range": (1, 2)}, [0, 1, 2, 3, None]),
    "open range": (
        pl.Int64,
        {"in_range": {"min_value": 1, "max_value": 3, "include_min": False, "include_max": False}},
        [1, 2, 3, None],
    ),
    "isin": (pl.String, {"isin": ["a", ""]}, ["a", "A", "", None]),
    "notin": (pl.String, {"notin": ["a"]}, ["a", "A", "", None]),
    "str_contains": (pl.String, {"str_contains": "b+"}, ["abc", "b", "", None]),
    "str_startswith": (pl.String, {"str_startswith": "a."}, ["a.b", "axb", None]),
    "str_endswith": (pl.String, {"str_endswith": "."}, ["a.", "a", None]),
    "str_matches": (pl.String, {"str_matches": "[a-z]{2}$"}, ["ab", "abc", "Ab", None]),
    "str_length": (pl.String, {"str_length": (1, 2)}, ["", "a", "ää", "äää", None]),
    "exact length": (pl.String, {"str_length": 2}, ["a", "ää", None]),
    "null fails": (pl.Int64, {"ge": 1, "ignore_na": False}, [0, 1, None]),
    "several": (pl.Int64, {"ge": 1, "le": 5, "notin": [3]}, [0, 1, 3, 5, 6, None]),
}


@pytest.mark.parametrize("case", CHECKED)
def test_a_built_in_check_says_of_each_row_what_pandera_says(case: str) -> None:
    """The checks of a batch are asked together as expressions; Pandera's own road is slower."""
    dtype, checks, values = CHECKED[case]
    contract = contract_of({"v": dtype}, {"v": {**checks, "allow_nan": True}}, key=("v",))
    frame = pl.DataFrame({"v": values}, schema={"v": dtype})
    rules = rules_of(contract)
    assert rules
    for rule in rules:
        assert rule.row is not None
        for some in (frame, frame.head(1), frame.clear()):
            said = rule.check(some.lazy(), rule.column).check_output.collect().to_series()
            assert rule.kept(some).to_list() == said.to_list()


def test_a_check_of_a_contracts_own_is_called_with_each_batch() -> None:
    asked = []

    class Moody(Contract):
        id: pl.Int64 = column(description="Number.")

        class Config:
            unique = ("id",)

        @pa.check("id")
        def today(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - as Pandera has it
            asked.append(data.lazyframe.collect().height)
            return data.lazyframe.select(pl.col(data.key) > len(asked))

    frame = pl.DataFrame({"id": [2]})
    (_, rule) = rules_of(Moody)
    assert rule.row is None
    assert [rule.kept(frame).to_list() for _ in range(2)] == [[True], [False]]
    assert asked == [1, 1]


def test_every_contract_of_the_platform_has_a_key_descriptions_and_its_partition_column() -> None:
    for table in tables_from().values():
        names = [declared.name for declared in table.columns]
        assert set(table.key) <= set(names)
        assert not table.has_days or table.partition_column in names
        assert table.cursor_column is None or table.cursor_column in names
        assert all(declared.description for declared in table.columns), table.path
        assert not any(table.column(name).nullable for name in table.key), table.path
