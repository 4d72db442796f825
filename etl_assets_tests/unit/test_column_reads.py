"""Which columns of an input a derived table takes over is measured on its transform."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl_assets.core.column_lineage import same_values
from etl_assets.core.contracts import Column
from etl_assets.pipeline.row_search import as_key
from etl_assets.table_modules import tables_from

CATALOG = tables_from()


@pytest.mark.parametrize(
    ("table", "above", "there", "own"),
    [
        ("staged/orders", "raw/orders", "id", "order_id"),
        ("staged/customers", "raw/customers", "id", "customer_id"),
        ("staged/order_items", "raw/order_items", "id", "order_item_id"),
        ("staged/shipments", "raw/shipments", "tracking_no", "tracking_no"),
        ("enriched/fact_orders", "staged/order_items", "order_id", "order_id"),
        ("enriched/fact_orders", "enriched/dim_customers", "customer_sk", "customer_sk"),
        ("enriched/dim_customers", "raw/customers_versions", "id", "customer_id"),
        ("enriched/fact_shipments", "staged/shipments", "tracking_no", "tracking_no"),
    ],
)
def test_keys_are_followed_from_a_table_to_its_inputs(
    table: str, above: str, there: str, own: str
) -> None:
    assert same_values(CATALOG, CATALOG[table])[above][there] == own


def test_what_is_made_of_several_columns_is_nobodys() -> None:
    same = same_values(CATALOG, CATALOG["enriched/fact_orders"])
    assert all("is_balanced" not in columns.values() for columns in same.values())


@pytest.mark.parametrize(
    ("dtype", "typed", "value"),
    [
        (pl.Int64(), "7", 7),
        (pl.Int64(), 7, 7),
        (pl.String(), "7", "7"),
        (pl.String(), None, None),
        (pl.Decimal(8, 2), "7.50", Decimal("7.50")),
        (pl.Date(), "2024-05-17", date(2024, 5, 17)),
        (pl.Boolean(), True, True),
        (pl.Binary(), "00ff", b"\x00\xff"),
        (pl.Datetime("us", "UTC"), "2024-05-17T10:00+02:00", datetime(2024, 5, 17, 8, tzinfo=UTC)),
        (pl.Datetime("us", "UTC"), "2024-05-17", datetime(2024, 5, 17, tzinfo=UTC)),
        (pl.Datetime("us"), "2024-05-17", datetime(2024, 5, 17)),
    ],
)
def test_a_key_is_read_as_its_column_has_it(dtype: pl.DataType, typed: Any, value: Any) -> None:
    assert as_key(Column("k", dtype, nullable=True, description=""), typed) == value


@pytest.mark.parametrize(
    ("dtype", "typed"),
    [
        (pl.Int64(), "x"), (pl.Int64(), "7.5"), (pl.Date(), "17.05.2024"), (pl.Boolean(), "yes"),
        (pl.Binary(), "zz"), (pl.Datetime("us", "UTC"), "now"), (pl.Int8(), "300"),
    ],
)  # fmt: skip
def test_what_the_column_cannot_hold_is_refused(dtype: pl.DataType, typed: str) -> None:
    with pytest.raises(ValueError, match="of k"):
        as_key(Column("k", dtype, nullable=True, description=""), typed)
