"""`etl-assets explain` on the demo: from a fact up to rows of the shop and lines of files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import fill_shop
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.partner_files import partner_files
from etl_assets_tests.source_tables import run

TABLES = ["orders", "order_items", "customers", "countries", "shipments"]
BAD = 7


@pytest.fixture(scope="module")
def told(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two days of the demo, loaded through every layer, with an order that no rule lets pass."""
    postgres.ensure_database("explained_shop")
    url, folder = postgres.url("explained_shop"), tmp_path_factory.mktemp("explained")
    fill_shop(url, days=2, orders_a_day=150)
    run(url, f"UPDATE orders SET total_cents = -1 WHERE id = {BAD}")
    environment = {
        "DATABASE_URL": url,
        "OBJECT_STORE_URL": partner_files(folder / "partners", days=2, orders_a_day=150),
        "WAREHOUSE_URL": f"duckdb://{folder}/warehouse.duckdb",
        "ETL_HOME": str(folder / "home"),
        "ETL_LAST_DAY": "2024-01-02",
    }
    shop = Shop(url, folder, environment)
    paths = [f"{layer}/{name}" for name in TABLES for layer in ("raw", "staged")]
    made = ["enriched/dim_customers", "enriched/fact_orders", "enriched/daily_revenue"]
    loaded = shop.run("backfill", *paths, *made)
    assert loaded.exit_code == 0, loaded.output
    return shop


def as_json(shop: Shop, *arguments: str) -> dict[str, Any]:
    result = shop.run("explain", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def tables_of(trace: dict[str, Any]) -> list[str]:
    above = [row for given in trace["inputs"] for row in given["first_rows"]]
    return [trace["table"], *(path for row in above for path in tables_of(row))]


def test_a_fact_is_explained_up_to_the_rows_of_the_shop(told: Shop) -> None:
    trace = as_json(told, "enriched/fact_orders", "12", "--most", "1")
    assert tables_of(trace) == [
        "enriched/fact_orders",
        "staged/orders", "raw/orders",
        "staged/order_items", "raw/order_items",
        "enriched/dim_customers", "raw/customers_versions",
    ]  # fmt: skip
    orders, items, customers = trace["inputs"]
    assert (orders["rows"], items["by"], customers["by"]) == (
        1, {"order_id": "order_id"}, {"customer_sk": "customer_sk"},
    )  # fmt: skip
    raw = orders["first_rows"][0]["inputs"][0]["first_rows"][0]
    assert orders["first_rows"][0]["inputs"][0]["by"] == {"id": "order_id"}
    assert "SELECT * FROM public.orders WHERE id = 12" in raw["origin"]
    (lines,) = run(told.url, "SELECT count(*) FROM order_items WHERE order_id = 12")
    assert items["rows"] == lines[0]


@pytest.mark.thorough
def test_each_layer_says_by_which_run_and_contract_it_was_published(told: Shop) -> None:
    trace = as_json(told, "enriched/fact_orders", "12")
    assert trace["module"] == "etl_assets/tables/fact_orders.py"
    assert trace["contract_is_current"] is True
    assert trace["run_id"] == trace["part_run_id"] is not None
    assert trace["part"] == "2024-01-01"
    assert trace["checks_passed"] >= 8
    assert trace["is_late"] is False
    printed = " ".join(told.run("explain", "enriched/fact_orders", "12").stdout.split())
    assert "made of staged/orders: 1 row with its order_id" in printed
    assert "made of raw/orders: 1 row with its order_id as id" in printed


def test_personal_columns_are_masked_unless_they_are_asked_for(told: Shop) -> None:
    ((name, email),) = run(told.url, "SELECT full_name, email FROM customers WHERE id = 3")
    masked = told.run("explain", "raw/customers", "3").output
    assert name not in masked
    assert str(email) not in masked
    assert name in told.run("explain", "raw/customers", "3", "--personal").output


@pytest.mark.thorough
def test_rows_that_only_share_a_part_of_the_key_are_told_as_such(told: Shop) -> None:
    fact = as_json(told, "enriched/fact_orders", "12")["row"]
    key = json.dumps(
        {
            "revenue_date": "2024-01-01",
            "country": fact["customer_country"],
            "currency": fact["currency"],
        }
    )
    trace = as_json(told, "enriched/daily_revenue", key, "--most", "0")
    facts = trace["inputs"][0]
    assert (facts["table"], facts["is_exact"], facts["parts"]) == (
        "enriched/fact_orders", False, ["2024-01-01"],
    )  # fmt: skip
    printed = told.run("explain", "enriched/daily_revenue", key, "--most", "0").stdout
    assert "maybe not all of them" in printed


def test_a_row_of_a_file_is_explained_by_object_and_line(told: Shop) -> None:
    first = json.loads(told.run("files", "list", "raw/shipments", "--json").stdout)[0]
    trace = as_json(told, "raw/shipments", json.dumps({"line": 2, "file": first["object"]}))
    assert trace["origin"][0].startswith(f"{first['object']}, line 2 ({first['bytes']:,} bytes")
    assert as_json(told, "raw/shipments", first["object"], "2") == trace
    staged = as_json(told, "staged/shipments", trace["row"]["tracking_no"])
    assert staged["inputs"][0]["first_rows"][0]["origin"] == trace["origin"]


def test_a_key_in_quarantine_is_found_there(told: Shop) -> None:
    result = told.run("explain", "enriched/fact_orders", str(BAD))
    assert result.exit_code == 1
    message = " ".join(result.output.split())
    assert f"No row of enriched/fact_orders has the key order_id={BAD}" in message
    assert "It is published in raw/orders" in message
    assert "It is in quarantine of staged/orders (total_amount: greater_than" in message
    kin = as_json(told, "staged/orders", "8")["quarantine"]
    assert [one["is_this_key"] for one in kin] == [False], "the other row of its day"


def test_a_key_that_is_nowhere_is_told_with_the_layers_that_were_searched(told: Shop) -> None:
    result = told.run("explain", "enriched/fact_orders", "99999999")
    assert result.exit_code == 1
    message = " ".join(result.output.split())
    assert "searched: enriched/fact_orders, staged/orders, raw/orders" in message
    assert "It is not in quarantine." in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["enriched/fact_order", "1"], "Did you mean enriched/fact_orders"),
        (["enriched/fact_orders", "1", "2"], "The key of enriched/fact_orders is order_id"),
        (["enriched/fact_orders", "one"], "'one' is no Int64 of order_id"),
        (["raw/shipments", '{"file": "a"}'], "is file, line"),
        (["raw/shipments", '{"file": '], "no JSON"),
    ],
)
def test_what_cannot_be_asked_is_said(told: Shop, arguments: list[str], message: str) -> None:
    result = told.run("explain", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.thorough
def test_a_row_whose_input_was_published_again_is_late(told: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes((told.folder / "warehouse.duckdb").read_bytes())
    changed = {"WAREHOUSE_URL": f"duckdb://{copy}"}
    other = replace(told, environment={**told.environment, **changed})
    run(told.url, "UPDATE orders SET note = 'x' WHERE id = 11")
    loaded = other.run("backfill", "raw/orders")
    assert loaded.exit_code == 0, loaded.output
    trace = as_json(other, "staged/orders", "12")
    assert trace["is_late"] is True
    assert (
        "late: its inputs were published again"
        in other.run("explain", "staged/orders", "12").output
    )
