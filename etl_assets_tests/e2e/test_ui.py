"""What a person does in the Dagster UI, in a real browser against `etl-assets dev`.

The backfill that is started with the UI (a bad day, two layers) is looked at last.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from etl_assets_tests.e2e.browser import choose_partitions, expand_graph, open_page, watch_run
from etl_assets_tests.e2e.dagster_ui import BAD, KEYS, DagsterUI
from etl_assets_tests.orchestration.shop import CHECK_NAMES, check_names

pytestmark = pytest.mark.timeout(900)  # runs in processes of their own wait for the machine, too

LAYERS = ["source", "raw", "staged", "enriched"]
ASSETS = ["customers", "order_items", "orders", "shipments", "fact_orders", "daily_revenue"]


@pytest.fixture(scope="module")
def page(ui: DagsterUI) -> Iterator[Page]:
    with open_page(ui.url) as opened:
        yield opened


def test_a_backfill_of_three_days_is_started_from_the_ui(ui: DagsterUI, page: Page) -> None:
    choose_partitions(page, "raw/products", f"[{KEYS[0]}...{KEYS[2]}]")
    expect(page.locator("[role=dialog]")).to_contain_text("3 partitions")
    page.get_by_role("button", name="Launch backfill").click()
    expect(page.locator("[role=dialog]")).to_have_count(0)
    assert ui.backfill_of("raw/products")


def test_the_graph_shows_every_asset_in_the_column_of_its_layer(page: Page) -> None:
    page.goto("/asset-groups")
    folded = [page.locator("[role=button], button").filter(has_text=layer) for layer in LAYERS]
    expect(folded[-1].last).to_be_visible()
    expand_graph(page)
    for name in ASSETS:
        expect(page.get_by_text(name, exact=True).last).to_be_visible()
    lefts = []
    for layer in LAYERS:
        header = page.locator("svg").get_by_text(layer, exact=True).first
        box = header.bounding_box()
        assert box is not None, layer
        lefts.append(box["x"])
    assert lefts == sorted(lefts)
    # Dimensions are made of raw versions: enriched begins where staged does.
    source, raw, staged, enriched = lefts
    assert source < raw < staged <= enriched


def test_the_partitions_page_shows_every_day_of_an_asset_as_materialised(page: Page) -> None:
    page.goto("/assets/staged/order_items?view=partitions")
    expect(page.get_by_text("Materialized (5)")).to_be_visible()
    expect(page.get_by_text("Missing (0)")).to_be_visible()
    for key in KEYS:
        expect(page.get_by_text(key, exact=True).first).to_be_visible()


@pytest.mark.soak  # the same dialog as for three days, and a run that is watched as of checks
def test_one_day_is_materialised_from_the_ui(ui: DagsterUI, page: Page) -> None:
    choose_partitions(page, "raw/customers", KEYS[1])
    page.get_by_role("button", name="Launch 1 run").click()
    status, materialised, verdicts = ui.run(watch_run(page))
    assert (status, materialised) == ("SUCCESS", [KEYS[1]])
    assert verdicts == [(KEYS[1], name, True) for name in check_names("raw/customers")]
    page.goto(f"/assets/raw/customers?view=partitions&partition={KEYS[1]}")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    expect(page.get_by_text("dagster/partition_row_count")).to_be_visible()


def test_the_checks_page_shows_a_verdict_for_every_day(page: Page) -> None:
    page.goto("/assets/staged/order_items?view=checks")
    for name in CHECK_NAMES:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_text("value_rules", exact=True).first.click()
    page.locator("[role=tab], a, button").filter(has_text="Partitions").last.click()
    expect(page.get_by_text(re.compile(r"Passed\s*\(5\)"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Missing\s*\(0\)"))).to_be_visible()


def test_all_checks_of_a_table_run_alone_from_the_ui_and_publish_nothing(
    ui: DagsterUI, page: Page
) -> None:
    page.goto("/assets/staged/order_items?view=checks")
    # Dagster's own limit: a single partitioned check cannot be run from the UI, all together can.
    expect(page.locator("button", has_text="Execute").last).to_be_disabled()
    page.locator("button", has_text="Execute all").click()
    status, materialised, verdicts = ui.run(watch_run(page))
    assert (status, materialised) == ("SUCCESS", [])
    assert sorted(verdicts) == sorted((key, name, True) for key in KEYS for name in CHECK_NAMES)


def test_the_plots_show_the_numbers_of_the_loads(page: Page) -> None:
    page.goto("/assets/staged/order_items?view=overview")
    page.get_by_role("button", name="Plots").first.click()
    # By event: by partition, Dagster asks for the last days before today even where days end.
    page.get_by_role("button", name="Events").click()
    expect(page.get_by_text("dagster/partition_row_count").first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()


def test_the_backfill_from_the_ui_materialises_its_days(ui: DagsterUI, page: Page) -> None:
    ended = ui.finished_backfill(ui.backfill_of("raw/products"))
    assert ended == {"status": "COMPLETED_SUCCESS", "raw/products": (3, 0)}
    page.goto("/assets/raw/products?view=partitions")
    expect(page.get_by_text("Materialized (3)")).to_be_visible()


def test_a_bad_day_in_a_backfill_costs_the_next_layer_that_day_and_no_other(
    ui: DagsterUI, page: Page
) -> None:
    """The real daemon: raw and staged orders of five days, of which one fails its contract."""
    ended = ui.finished_backfill(ui.bad_backfill)
    assert ended["raw/orders"] == (4, 1)
    assert ended["staged/orders"][0] == 4
    materialised = [
        (KEYS[0], KEYS[1], "MATERIALIZED"),
        (KEYS[3], KEYS[4], "MATERIALIZED"),
    ]
    assert [one for one in ui.ranges("staged/orders") if one[2] == "MATERIALIZED"] == materialised
    assert sorted(ui.ranges("raw/orders")) == sorted([*materialised, (BAD, BAD, "FAILED")])
    page.goto("/assets/raw/orders?view=partitions")
    expect(page.get_by_text("Materialized (4)")).to_be_visible()
    expect(page.get_by_text("Failed (1)")).to_be_visible()
