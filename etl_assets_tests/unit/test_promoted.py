"""A promoted column holds exactly the values that fit it, and says how many do not."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import polars as pl
import pytest

from etl_assets.core.audit import DayAudit
from etl_assets.core.checks import PROMOTED_FIELDS
from etl_assets.core.contracts import Contract, column, polars_schema
from etl_assets.core.errors import SpecError
from etl_assets.core.promoted import values_of
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input
from etl_assets.core.verdict import Expectation, Verdict
from etl_assets.table_modules import tables_from

DAY = date(2024, 1, 1)
MOMENT = pl.Datetime("us", "UTC")
NONE = None


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (pl.Decimal(5, 2), ["500", '"500.00"', "1e2", "1.005", "1000", '"x"', "true"],
         [Decimal("500"), Decimal("500"), Decimal("100"), NONE, NONE, NONE, NONE]),
        (pl.Decimal(5, 2), ["-0.00", '" 1.5 "', "999.99", "1e999", '"1_0"', '"NaN"', '"\u0661"'],
         [Decimal(0), Decimal("1.5"), Decimal("999.99"), NONE, NONE, NONE, NONE]),
        (pl.Int64(), ["7", '"7"', "7.0", "7.5", "9223372036854775807", "9223372036854775808", "{}"],
         [7, 7, 7, NONE, 2**63 - 1, NONE, NONE]),
        (pl.String(), ['"a"', "1.50", "true", '{"b": [1.50, "ü"]}', r'"\u0000"', r'"\ud800"'],
         ["a", "1.50", "true", '{"b": [1.50, "ü"]}', NONE, NONE]),
        (pl.Boolean(), ["true", '"False"', "1", '"yes"'], [True, False, NONE, NONE]),
        (pl.Date(), ['"2024-02-29"', '"2023-02-29"', '"2024-02-29T00:00"', "20240229"],
         [date(2024, 2, 29), NONE, NONE, NONE]),
        (MOMENT,
         ['"2024-01-01T12:00:00+02:00"', '"2024-01-01T12:00:00"', '"2024-01-01T00:00Z"', '"x"'],
         [datetime(2024, 1, 1, 10, tzinfo=UTC), NONE, datetime(2024, 1, 1, tzinfo=UTC), NONE]),
    ],
)  # fmt: skip
def test_a_value_is_taken_exactly_or_not_at_all(
    dtype: pl.DataType, values: list[str], expected: list[Any]
) -> None:
    texts = pl.Series("custom", [f'{{"f": {value}}}' for value in values])
    made = values_of(texts, "f", dtype)
    assert made.dtype == dtype
    assert made.to_list() == expected


def test_null_absent_and_what_is_no_object_are_null() -> None:
    texts = pl.Series("custom", ['{"f": null}', "{}", "null", "[]", "{", None, '{"f": 1}'])
    assert values_of(texts, "f", pl.Int64()).to_list() == [*[None] * 6, 1]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (r'{"gr\u00f6\u00dfe": 1}', "größe"),
        ('{"größe": 1}', "größe"),
        (r'{"a \"b\"": 1}', 'a "b"'),
        (r'{"a\\b": 1}', "a\\b"),
        (r'{"\u0000": 1}', "\\u0000"),
        ('{"": 1}', ""),
        ('{"x": {"f": 2}, "f": 1}', "f"),
    ],
)
def test_a_field_is_found_however_its_name_is_written(text: str, field: str) -> None:
    assert values_of(pl.Series([text]), field, pl.Int64()).to_list() == [1]


class Raw(Contract):
    id: pl.Int64 = column(description="Number.")
    custom: pl.String = column(description="All.", nullable=True, logical="json", fields=True)

    class Config:
        unique = "id"


class Typed(Raw):
    credit: Annotated[pl.Decimal, 18, 2] = column(
        description="Credit.", nullable=True, from_field=("custom", "credit limit")
    )
    size: pl.Int64 = column(description="Size.", nullable=True, from_field=("custom", "size"))


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


SPEC = TableSpec(
    name="people", source=PostgresTable("people"), raw=Raw, staged=Typed, stage=stage,
    description="People.", partition_column=None, cursor_column=None,
)  # fmt: skip


def test_the_platform_adds_promoted_columns_to_what_the_transform_gives() -> None:
    _, staged = SPEC.layer_tables()
    assert staged.transform is not None
    rows = pl.LazyFrame({"id": [1, 2], "custom": ['{"credit limit": "7.50"}', '{"size": "L"}']})
    made = staged.transform(raw=rows).collect(engine="streaming")
    assert made["credit"].to_list() == [Decimal("7.50"), None]
    assert made["custom"].to_list() == rows.collect()["custom"].to_list(), "nothing is lost"


def test_values_that_do_not_fit_are_counted_by_a_check_that_lets_the_day_pass() -> None:
    _, staged = SPEC.layer_tables()
    assert staged.transform is not None
    texts = ['{"size": "L"}', '{"size": "L"}', '{"size": 7}', '{"size": null}', None]
    rows = pl.LazyFrame({"id": range(5), "custom": texts})
    audit = DayAudit(staged, DAY)
    good, bad = audit.split(staged.transform(raw=rows).collect())
    assert (good.height, bad) == (5, None)
    (found,) = [r for r in Verdict(audit, Expectation(5)).results() if r.check is PROMOTED_FIELDS]
    assert (found.passed, found.blocks) == (False, False)
    assert found.evidence["rows_without_a_value_that_fits"] == {"credit": 0, "size": 2}


def contract(**columns: tuple[Any, Any]) -> type[Contract]:
    annotations = {name: dtype for name, (dtype, _) in columns.items()}
    declared = {name: value for name, (_, value) in columns.items()}
    body = {"__annotations__": annotations, "Config": Raw.Config, **declared}
    return type("Wrong", (Raw,), body)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"f": (pl.Int64, {"fields": True})}, "no JSON"),
        ({"f": (pl.Int64, {"nullable": True, "from_field": ("other", "x")})}, "no column with"),
        ({"f": (pl.Int64, {"from_field": ("custom", "x")})}, "nullable=True"),
        ({"f": (pl.Float64, {"nullable": True, "from_field": ("custom", "x")})}, "pl.Decimal"),
    ],
)  # fmt: skip
def test_a_promotion_that_cannot_be_is_refused(wrong: dict[str, Any], told: str) -> None:
    columns = {
        name: (dtype, column(description="x", **say)) for name, (dtype, say) in wrong.items()
    }
    with pytest.raises(SpecError, match=told):
        replace(SPEC, staged=contract(**columns))


def test_a_table_that_is_read_cannot_promote() -> None:
    with pytest.raises(SpecError, match="derived"):
        replace(SPEC, raw=Typed)


def test_an_enriched_table_may_promote_as_well() -> None:
    spec = EnrichedSpec(
        name="people", contract=Typed, inputs={"raw": Input("staged/people")},
        enrich=lambda raw: raw, description="People.", partition_column=None,
    )  # fmt: skip
    (table,) = spec.layer_tables()
    assert table.transform is not None
    assert table.transform(raw=pl.LazyFrame({"id": [1], "custom": ['{"size": 3}']})).collect()[
        "size"
    ].to_list() == [3]


def test_what_a_dimension_prepares_has_the_promoted_columns_of_its_contract() -> None:
    table = tables_from()["enriched/dim_customers"]
    versions = tables_from()["raw/customers"].versions
    assert table.dimension is not None
    assert versions is not None
    rows = pl.LazyFrame(schema=polars_schema(versions.columns))
    assert "loyalty_tier" in table.dimension.prepare(rows).collect_schema()
