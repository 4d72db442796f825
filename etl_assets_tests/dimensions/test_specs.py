"""What is wrong with the spec of a dimension is said when it is made, with what to write."""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column
from etl_assets.core.dimension import Changes, DimensionSpec, Snapshots
from etl_assets.core.errors import SpecError
from etl_assets_tests.dimensions.road import SPECS, dimension


class Members(Contract):
    code: pl.String = column(description="Which.")
    level: pl.String = column(description="Tracked.", nullable=True)
    fee: Annotated[pl.Decimal, 10, 2] = column(description="Tracked.", nullable=True)
    gone: pl.Boolean = column(description="Whether it is gone.")
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")

    class Config:
        unique: ClassVar = ["code"]


def spec(**given: Any) -> DimensionSpec:
    told = {
        "name": "dim_members",
        "of": "raw/things_versions",
        "contract": Members,
        "history": Changes("at"),
        "key": ("code",),
        "tracked": ("level", "fee"),
        "description": "Members.",
    }
    return DimensionSpec(**{**told, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tracked": "level"}, r"tracked: 'level' is a text, not a list\. Write \('level',\)"),
        ({"untracked": "level"}, "untracked: 'level' is a text"),
        ({"key": "code"}, r"key: 'code' is a text, not a list\. Write \('code',\)"),
        ({"history": Changes("at", order="fee")}, r"history: order='fee'.* order=\('fee',\)"),  # type: ignore[arg-type]
        ({"history": "at"}, r"Write Changes\(moment=\.\.\.\) or Snapshots\(day=\.\.\.\)"),
        ({"history": Changes("at", deleted="level")}, "deleted='level' is String.* pl.Boolean"),
        ({"history": Snapshots("at")}, "the day 'at' is Datetime.* Make it pl.Date"),
        ({"sk": "level"}, "sk: 'level' is a column of the dimension already"),
        ({"sk": "valid_from"}, "sk: 'valid_from' is a column of the dimension already"),
        ({"sk": "member key"}, "sk: 'member key' is no name of a column"),
        ({"unknown": {"code": "?"}}, "unknown: 'code' is of the key"),
        ({"unknown": {"gone": True}}, "unknown: 'gone' is no column of the dimension"),
        ({"unknown": {"level": 3}}, "unknown: 3 is no String of 'level'"),
        ({"prepare": None}, "prepare: None is no function"),
    ],
)
def test_m1_a_mistake_in_the_spec_is_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(**given)


def test_values_of_the_unknown_member_that_fit_are_taken() -> None:
    assert spec(unknown={"level": "?", "fee": Decimal("1.50")}).unknown
    assert spec(unknown={"level": None}).unknown


def test_columns_of_the_entity_that_the_input_lacks_are_named() -> None:
    lost = replace(dimension(), entity={"id": "thing_id"})
    (message,) = Catalog.of([SPECS[0], lost]).errors
    assert "entity: raw/things_versions has no column thing_id" in message
    assert "id, a, b, gone, at" in message
