"""`status` and `state show`: days outside the platform's, JSON, names."""

import json
import re

import duckdb

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
    (line,) = json.loads(shop.run("status", "--json", ETL_FIRST_DAY="2024-01-02").stdout)
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
        "staged/orders was never made, of 2 days. Make it: etl-assets derive staged/orders." in told
    )
    assert "enriched/fact" not in told, "it waits for the staged table"
