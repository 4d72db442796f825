"""The table more: what its contracts allow, and what they do not."""

from datetime import UTC, datetime

from etl_assets.core.contracts import columns_of, polars_schema
from etl_assets.tables.more import TABLE
from etl_assets.testing import checked, rows_of

ROW: dict[str, object] = {
    "id": 1,
    "customer_id": 1,
    "status": "text",
    "total_cents": 1,
    "currency": "text",
    "channel": "text",
    "discount_cents": 1,
    "coupon_code": "text",
    "note": "text",
    "created_at": datetime(2024, 1, 1, 12, 0, tzinfo=UTC),
    "updated_at": datetime(2024, 1, 1, 12, 0, tzinfo=UTC),
}


def test_a_row_keeps_its_contracts() -> None:
    raw = rows_of(TABLE.raw, [ROW])
    assert checked(TABLE.raw, raw).broken == {}
    staged = TABLE.stage(raw.lazy()).collect()
    assert staged.schema == polars_schema(columns_of(TABLE.staged))
    assert checked(TABLE.staged, staged).broken == {}


def test_what_may_be_null_may_be_null() -> None:
    empty = {column.name: None for column in columns_of(TABLE.raw) if column.nullable}
    raw = rows_of(TABLE.raw, [{**ROW, **empty}])
    assert checked(TABLE.raw, raw).broken == {}
    assert checked(TABLE.staged, TABLE.stage(raw.lazy()).collect()).broken == {}


def test_what_must_be_there_is_missed() -> None:
    for column in columns_of(TABLE.raw):
        broken = checked(TABLE.raw, rows_of(TABLE.raw, [{**ROW, column.name: None}])).broken
        assert (f"{column.name}: not_null" in broken) is not column.nullable
