"""What follows from a contract: columns, keys, rules."""

from typing import Annotated

import polars as pl
import pytest

from etl_assets.core.contracts import (
    Contract,
    column,
    columns_of,
    key_of,
    polars_schema,
)
from etl_assets.core.rules import rules_of
from etl_assets.table_modules import tables_from


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


def test_every_contract_of_the_platform_has_a_key_descriptions_and_its_partition_column() -> None:
    for table in tables_from().values():
        names = [declared.name for declared in table.columns]
        assert set(table.key) <= set(names)
        assert not table.has_days or table.partition_column in names
        assert table.cursor_column is None or table.cursor_column in names
        assert all(declared.description for declared in table.columns), table.path
        assert not any(table.column(name).nullable for name in table.key), table.path
