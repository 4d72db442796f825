"""`status` and `state show`: days outside the platform's, JSON, names."""

import json
import re

import duckdb

from etl_assets.pipeline.status import TableStatus
from etl_assets.pipeline.status_notes import notes_of
from etl_assets_tests.cli.conftest import Shop


def test_m10_days_that_are_no_longer_the_platforms_are_counted(shop: Shop) -> None:
    inside = shop.run("status")
    assert inside.exit_code == 0
    assert "published outside" not in inside.stderr
    outside = shop.run("status", ETL_FIRST_DAY="2024-01-02")
    assert outside.exit_code == 0
    assert "raw/orders: 1 day published outside ETL_FIRST_DAY" in outside.stderr
    assert "2024-01-01" in outside.stderr
    both = shop.run("status", ETL_FIRST_DAY="2024-01-05", ETL_LAST_DAY="2024-01-06")
    assert "raw/orders: 2 days published outside" in both.stderr


def test_status_as_json_has_every_number_of_the_table(shop: Shop) -> None:
    (line,) = json.loads(shop.run("status", "--json", ETL_FIRST_DAY="2024-01-02").stdout)[
        "published"
    ]
    with duckdb.connect(str(shop.folder / "warehouse.duckdb"), read_only=True) as connection:
        counted = connection.execute("SELECT count(*) FROM raw.orders").fetchone()
    assert (line["table"], line["days"], (line["rows"],)) == ("raw/orders", 2, counted)
    assert line["days_outside"] == ["2024-01-01"]
    assert line["is_declared"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", line["high_watermark"])


def test_state_show_as_json_of_a_table_that_was_never_published(shop: Shop) -> None:
    told = json.loads(shop.run("state", "show", "raw/products", "--json").stdout)
    assert told["table"] == "raw/products"
    assert told["is_published"] is False
    assert told["high_watermark"] is None
    assert "never published" in shop.run("state", "show", "raw/products").stdout


def test_state_show_as_json_says_what_the_text_says(shop: Shop) -> None:
    told = json.loads(shop.run("state", "show", "raw/orders", "--json").stdout)
    text = shop.run("state", "show", "raw/orders").stdout
    assert told["is_published"] is True
    assert told["days_to_reload"] == {}
    assert f"updated_at        {told['updated_at']}" in text


def test_a_published_table_that_no_module_declares_is_said(shop: Shop) -> None:
    """The rows of a table whose module was removed stay, and nobody loads them."""
    import shutil

    copy = shop.folder / "copy.duckdb"
    shutil.copy(shop.folder / "warehouse.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE etl.etl_state SET table_name = 'raw/gone'")
    done = shop.run("status", WAREHOUSE_URL=f"duckdb://{copy}")
    assert "raw/gone is published, and no module declares it." in done.stderr


def test_r7_a_derived_table_that_was_never_made_is_said_with_its_days(shop: Shop) -> None:
    told = shop.run("status").stderr
    assert (
        "Never made: enriched/dim_date (1 day), staged/orders (2 days). Make them: "
        "etl-assets derive." in told
    )
    assert "enriched/fact" not in told, "it waits for the staged table"


def test_status_says_what_waits_for_what_and_for_which_days(shop: Shop) -> None:
    done = shop.run("status", "--json")
    told = json.loads(done.stdout)
    assert {one["table"] for one in told["late"]} == {"staged/orders", "enriched/dim_date"}
    waits = [
        one for one in told["waiting"] if one["input"] == "staged/orders" and len(one["days"]) == 2
    ]
    assert waits
    for one in waits:
        assert [part["day"] for part in one["waits_for"]] == ["2024-01-01", "2024-01-02"]
        assert one["because"] == "it is late: was never made"
    plain = shop.run("status").stdout
    assert "What waits for what" in plain
    (line,) = [text for text in plain.splitlines() if text.split()[:1] == [waits[0]["table"]]][:1]
    assert "staged/orders" in line
    assert "2024-01-01, 2024-01-02" in line


def test_tables_that_share_a_warning_are_named_in_one_sentence() -> None:
    lines = [
        TableStatus(
            table=f"raw/t{number}",
            partitions=3,
            rows=1,
            checks_passed=1,
            checks_failed=1,
            quarantined=0,
            high_watermark=None,
            freshness=None,
            seconds=0,
            warnings={"row_count_against_earlier_days": number},
            late_days=number,
        )
        for number in range(1, 9)
    ]
    warns, late = notes_of(lines)
    assert warns.startswith(
        "Checks that warn: raw/t1 (row_count_against_earlier_days on 1 day), raw/t2 ("
    )
    assert warns.endswith("and 2 more tables.")
    assert late.startswith("Late, as inputs were published since: raw/t1 (1 day), raw/t2 (2 days)")
    assert late.endswith("Make them again: etl-assets derive.")
    (alone, _) = notes_of(lines[:1])
    assert alone == "raw/t1: checks that warn: row_count_against_earlier_days on 1 day."
