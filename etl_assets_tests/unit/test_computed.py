"""What pages, lineage and drift say of columns that the source computes."""

import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.computed import DayIn, Sql
from etl_assets.core.drift import compare
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.core.table_pages import pages
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

SOURCE = PostgresTable(
    "lines",
    parent=Parent("heads", {"head_id": "id"}, {"begun_at": "created_at"}),
    computed={
        "day": DayIn("begun_at", "Europe/Berlin"),
        "seen_on": DayIn("seen_at", "Asia/Tokyo"),
        "size": Sql("length(t.note) +\n  abs(id)"),
    },
)
RAW = contract_of(
    {
        "id": pl.Int64,
        "note": pl.String,
        "begun_at": UTC_MOMENT,
        "day": pl.Date,
        "seen_on": pl.Date,
        "size": pl.Int64,
        "updated_at": UTC_MOMENT,
    }
)
CATALOG = Catalog.of(
    [TableSpec("lines", SOURCE, RAW, RAW, lambda raw: raw, "Lines.", partition_column="day")]
)


def test_the_page_of_a_table_says_what_is_computed_of_what() -> None:
    text = pages(CATALOG)["raw/lines.md"]
    assert "days of `day`, the day of `begun_at` in Europe/Berlin" in text
    assert "- Partitions: days of `day`" in pages(CATALOG)["staged/lines.md"]
    assert "| `day` | the day of `begun_at` in Europe/Berlin |" in text
    assert "| `size` | computed: `length(t.note) + abs(id)` |" in text
    assert "| `begun_at` | `heads` `created_at` |" in text


def test_the_lineage_of_a_computed_column_is_what_it_is_computed_from() -> None:
    from etl_assets.orchestration.lineage import column_lineage

    lineage = column_lineage(CATALOG, CATALOG["raw/lines"])
    assert lineage is not None
    read = {
        name: sorted((dep.asset_key.path[-1], dep.column_name) for dep in deps)
        for name, deps in lineage.deps_by_column.items()
    }
    assert read["day"] == [("heads", "created_at")]
    assert read["seen_on"] == [("lines", "seen_at")]  # which the contract does not have
    assert read["size"] == [("lines", "id"), ("lines", "note")]


def test_c10_a_computed_column_is_not_missing_in_the_source_and_its_own_is_not_new() -> None:
    columns = [("id", "bigint"), ("note", "text"), ("updated_at", "timestamptz"), ("x", "text")]
    assert compare(CATALOG["raw/lines"], columns, None).added == [("x", "text")]


def test_c18_only_days_of_a_zone_begin_before_the_utc_day() -> None:
    assert CATALOG["raw/lines"].has_zone_days
    assert not CATALOG["staged/lines"].has_zone_days
