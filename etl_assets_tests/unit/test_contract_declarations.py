"""How a contract is read without Pandera, and that Pandera checks the same in the end."""

import subprocess
import sys
from datetime import date
from typing import Annotated, Any, ClassVar, Optional

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.dataframe.model_components import _check_dispatch

from etl_assets.core.check_names import _CHECKS, checks_shown
from etl_assets.core.contracts import Contract, column, column_names, columns_of, key_of, keyed_by
from etl_assets.core.rules import rules_of, schema_of
from etl_assets.table_modules import tables_from


class Base(Contract):
    id: pl.Int64 = column(description="Number.", ge=1)
    tags: pl.List(pl.String) = column(description="Tags.", nullable=True)  # type: ignore[valid-type]
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")

    class Config:
        unique = ("id",)


class Derived(Base):
    id: pl.Int32 = column(description="A smaller number.", le=9)
    more: pl.Date


def test_columns_of_a_derived_contract_stand_where_its_base_has_them() -> None:
    assert column_names(Derived) == ["id", "tags", "at", "more"]
    by_name = {declared.name: declared for declared in columns_of(Derived)}
    assert (by_name["id"].dtype, by_name["id"].rules) == (pl.Int32(), ("less_than_or_equal_to(9)",))
    assert by_name["tags"].dtype == pl.List(pl.String)
    assert (by_name["more"].dtype, by_name["more"].nullable) == (pl.Date(), False)
    assert key_of(Derived) == ("id",)
    assert columns_of(Base)[0].dtype == pl.Int64()


@pytest.mark.parametrize(
    ("dtype", "is_read_as"),
    [
        (pl.Decimal(38, 9), pl.Decimal(38, 9)),
        (Annotated[pl.Decimal, 18, 2], pl.Decimal(18, 2)),
        (Annotated[pl.Datetime, "ms", None], pl.Datetime("ms")),
        (pl.Struct({"a": pl.Int8, "b": pl.List(pl.Date)}), None),
        (pl.Array(pl.Float32, 3), None),
        (pl.Enum(["a", "b"]), None),
        (pl.Datetime, pl.Datetime("us")),
        (pl.Binary, pl.Binary()),
        ("pl.List(pl.Int8)", pl.List(pl.Int8)),
        ("Annotated[pl.Datetime, 'us', 'UTC']", pl.Datetime("us", "UTC")),
        (int, pl.Int64()),
        (str, pl.String()),
        (date, pl.Date()),
    ],
)
def test_every_way_to_write_a_dtype(dtype: Any, is_read_as: pl.DataType | None) -> None:
    (declared,) = columns_of(_contract(dtype))
    assert declared.dtype == (dtype if is_read_as is None else is_read_as)
    assert isinstance(declared.dtype, pl.DataType)


@pytest.mark.parametrize("dtype", [Optional[pl.Int64], dict, "pl.NoSuch", "int64", list])  # noqa: UP045
def test_m1_what_is_no_dtype_is_refused_with_contract_and_column(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"Made") as refused:
        columns_of(_contract(dtype))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["_id", "_x", "_two_words"])
def test_b7_a_column_with_a_leading_underscore_is_a_column(name: str) -> None:
    made = type(
        "Made",
        (Contract,),
        {
            "__annotations__": {name: pl.Int64, "v": pl.String},
            name: column(description="The source's.", ge=2),
            "v": column(description="Value.", nullable=True),
            "Config": type("Config", (), {"unique": [name]}),
        },
    )
    assert column_names(made) == [name, "v"]
    frame = pl.DataFrame({name: [1, 2, None], "v": ["a", None, "c"]})
    kept = {rule.name: rule.kept(frame).to_list() for rule in rules_of(made)}
    assert kept["not_null"] == [True, True, False]
    assert kept["greater_than_or_equal_to(2)"][:2] == [False, True]
    schema_of(made).validate(pl.DataFrame({name: [2], "v": ["a"]}))
    with pytest.raises(pa.errors.SchemaError):
        schema_of(made).validate(pl.DataFrame({name: [1], "v": ["a"]}))


def test_b7_private_attributes_that_declare_no_column_are_none() -> None:
    class Private(Contract):
        _LIMIT = 3
        __slots__ = ()
        shared: ClassVar[int] = 4
        id: pl.Int64 = column(description="Number.")

        @classmethod
        def _helper(cls) -> int:
            return cls._LIMIT

    assert column_names(Private) == ["id"]


def test_an_alias_is_the_columns_name_and_the_attribute_says_it() -> None:
    class Odd(Contract):
        kind: pl.String = column(description="Kind.", alias="class", isin=["a"])

    assert column_names(Odd) == ["class"] == [Odd.kind]
    (_, rule) = rules_of(Odd)
    assert rule.kept(pl.DataFrame({"class": ["a", "b"]})).to_list() == [True, False]


def test_m1_two_columns_of_one_name_are_refused() -> None:
    class Twice(Contract):
        a: pl.Int64 = column(description="A.")
        b: pl.Int64 = column(description="B.", alias="a")

    with pytest.raises(TypeError, match=r"Twice declares two columns with the name 'a'"):
        columns_of(Twice)


def test_m1_a_column_without_a_type_is_refused_and_not_left_out() -> None:
    class Untyped(Contract):
        a = column(description="A.")

    with pytest.raises(TypeError, match=r"Untyped\.a has no type"):
        columns_of(Untyped)


@pytest.mark.parametrize("value", [5, "text", pa.Field(ge=1)])
def test_m1_a_typed_attribute_that_is_no_column_is_refused(value: Any) -> None:
    made = type("Made", (Contract,), {"__annotations__": {"a": pl.Int64}, "a": value})
    with pytest.raises(TypeError, match=r"Made\.a is a \w+, which declares no column"):
        columns_of(made)


@pytest.mark.parametrize("option", ["gee", "unique", "coerce", "regex"])
def test_m1_an_option_that_is_no_check_is_refused_when_the_column_is_declared(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        column(description="A.", **{option: True})


def test_m1_an_option_of_the_config_that_is_none_is_refused() -> None:
    class Misspelt(Contract):
        id: pl.Int64 = column(description="Number.")

        class Config:
            uniqe = ("id",)

    with pytest.raises(TypeError, match=r"Misspelt\.Config has 'uniqe'"):
        key_of(Misspelt)


def test_our_list_of_checks_is_panderas_in_its_order() -> None:
    pandera = [name for name in _check_dispatch() if name not in pa.Check.REGISTERED_CUSTOM_CHECKS]
    assert list(_CHECKS) == pandera


CHECKS: list[dict[str, Any]] = [
    {"eq": "a"}, {"ne": 1}, {"gt": 1.5}, {"ge": date(2024, 1, 1)}, {"lt": 1}, {"le": 0},
    {"in_range": (1, 2)}, {"in_range": {"min_value": 1, "max_value": 3, "include_min": False}},
    {"between": (1, 2)}, {"isin": ["x", "it's"]}, {"isin": ("x",)}, {"isin": range(3)},
    {"isin": {"allowed_values": ["x"]}}, {"notin": ["{x}"]}, {"str_contains": "a{2}"},
    {"str_endswith": "a"}, {"str_startswith": "x"}, {"str_matches": "^[A-Z]{3}$"},
    {"str_length": 3}, {"str_length": (1, 5)}, {"str_length": {"min_value": 3}},
    {"str_length": {"exact_value": 2}}, {"unique_values_eq": ["a"]},
    {"isin": ["a"], "ge": "a", "ignore_na": False},
]  # fmt: skip


@pytest.mark.parametrize("checks", CHECKS, ids=str)
def test_checks_are_worded_as_pandera_words_them(checks: dict[str, Any]) -> None:
    assert checks_shown(checks) == [str(check.error) for check in pa.Field(**checks).checks]


class Checked(Contract):
    id: pl.Int64 = column(description="Number.")
    price: pl.Int64 = column(description="Price.", ge=0)
    cost: pl.Int64 = column(description="Cost.", nullable=True)

    _LEAST = 2

    class Config:
        unique = ("id",)

    @pa.check("price", "cost", name="at_least")
    def at_least_two(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """Nothing is cheaper."""
        return data.lazyframe.select(pl.col(data.key) >= cls._LEAST)

    @pa.dataframe_check
    def price_covers_cost(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """We do not sell at a loss."""
        return data.lazyframe.select(pl.col("price") >= pl.col("cost").fill_null(0))


@pytest.mark.parametrize("contract", [Checked, keyed_by(Checked, ("id", "price"))])
def test_panderas_own_check_methods_are_rules_of_the_contract_and_of_those_derived_from_it(
    contract: type[Contract],
) -> None:
    frame = pl.DataFrame({"id": [1, 2, 3], "price": [1, 2, 5], "cost": [2, 2, None]})
    kept = {(rule.column, rule.name): rule.kept(frame).to_list() for rule in rules_of(contract)}
    assert kept["price", "at_least"] == [False, True, True]
    assert kept["cost", "at_least"][:2] == [True, True]
    assert kept[None, "price_covers_cost"] == [False, True, True]
    by_name = {declared.name: declared.rules for declared in columns_of(contract)}
    assert by_name["price"] == ("greater_than_or_equal_to(0)", "at_least")


def test_what_a_contract_says_of_its_rules_is_what_pandera_checks() -> None:
    contracts = {table.contract for table in tables_from().values()} | {Base, Derived, Checked}
    for contract in contracts:
        own = ("not_null", "not_nan")
        checked = [(r.column, r.name) for r in rules_of(contract) if r.column and r.name not in own]
        assert checked == [(c.name, rule) for c in columns_of(contract) for rule in c.rules]


def test_a_contract_is_read_without_pandera_pandas_or_dagster() -> None:
    program = (
        "import sys; from etl_assets.table_modules import tables_from\n"
        "for table in tables_from().values(): table.columns, table.key\n"
        "print(sorted({'pandera', 'pandas', 'dagster'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def _contract(dtype: Any) -> type[Contract]:
    members = {
        "__annotations__": {"a": dtype},
        "a": column(description="A."),
        "__module__": __name__,
    }
    return type("Made", (Contract,), members)
