"""What a person does in the Dagster UI, in a real browser against `etl-assets dev`.

The backfill that is started with the UI (a bad day, two layers) is looked at last. `make pictures`
runs these tests on the demo, and keeps what they see as the pictures of README and docs.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from etl_assets.config import ObjectStoreSettings
from etl_assets.demo.partners import drop_file, fill_partners
from etl_assets.demo.plan import ShopPlan
from etl_assets.sources.files.writable import WritableStore
from etl_assets_tests.e2e.browser import (
    PICTURES,
    RUN_MS,
    choose_partitions,
    expand_graph,
    fit_graph,
    open_page,
    picture,
    watch_run,
)
from etl_assets_tests.e2e.dagster_ui import BAD, KEYS, DagsterUI, wait_for
from etl_assets_tests.orchestration.shop import CHECK_NAMES, check_names
from etl_assets_tests.source_tables import run

# The default run opens a page in `test_strangers_path.py`. Runs in processes of their own wait for
# the machine, too.
pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]

LAYERS = ["source", "raw", "staged", "enriched"]
ASSETS = ["customers", "order_items", "orders", "shipments", "fact_orders", "daily_revenue"]
SENSOR = "new_files__shipments"
LOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND application_name LIKE 'etl_assets%' AND datname = current_database()"
)
SHOWN = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  jobNames isObservable targetingInstigators { ... on Schedule { name description }
    ... on Sensor { name description } }
  assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } } }"""


@pytest.fixture(scope="module")
def page(ui: DagsterUI) -> Iterator[Page]:
    with open_page(ui.url) as opened:
        yield opened


def test_a_backfill_of_a_week_is_started_from_the_ui(ui: DagsterUI, page: Page) -> None:
    choose_partitions(page, "raw/products", f"[{KEYS[0]}...{KEYS[-1]}]")
    expect(page.locator("[role=dialog]")).to_contain_text("7 partitions")
    picture(page, "backfill")
    page.get_by_role("button", name="Launch backfill").click()
    expect(page.locator("[role=dialog]")).to_have_count(0)
    assert ui.backfill_of("raw/products")


def test_the_page_that_dev_names_shows_every_table_with_its_state(page: Page) -> None:
    page.goto("/assets")
    expect(page.get_by_text("Asset name").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ partitions")).first).to_be_visible()
    picture(page, "catalog")


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
    page.set_viewport_size({"width": 1440, "height": 900})


def test_the_lineage_of_a_table_begins_at_its_sources(page: Page) -> None:
    for table, first, name in (
        ("fact_orders", "order_items", "lineage"),
        ("sessions", "partner_webhook", "events-lineage"),
    ):
        page.goto(f"/assets/enriched/{table}?view=lineage&lineageScope=upstream&lineageDepth=5")
        expect(page.locator("svg").get_by_text(table, exact=True).first).to_be_visible()
        expect(page.locator("svg").get_by_text(first, exact=True).first).to_be_visible()
        fit_graph(page)
        picture(page, name)


def test_a_raw_table_names_what_brings_it_and_its_source_can_be_observed(
    ui: DagsterUI, page: Page
) -> None:
    shown = ui.ask(SHOWN, key={"path": ["raw", "orders"]})["assetNodeOrError"]
    by_name = {one["name"]: one["description"] for one in shown["targetingInstigators"]}
    assert by_name.keys() == {"sync_schedule", "reconcile_schedule"}
    assert by_name["sync_schedule"].startswith("Every quarter of an hour: reads what changed")
    blocking = {one["name"] for one in shown["assetChecksOrError"]["checks"] if one["blocking"]}
    assert {"value_rules", "unique_key"} <= blocking
    assert not blocking & {"days_refused", "row_count_against_earlier_days"}
    page.goto("/assets/source/order_items")
    expect(page.get_by_text("Latest observation")).to_be_visible()
    page.get_by_role("button", name="Observe").first.click()
    assert ui.run(watch_run(page))[0] == "SUCCESS"
    page.goto("/assets/source/order_items")
    ((rows,),) = run(ui.source, "SELECT count(*) FROM order_items")
    expect(page.get_by_text(f"{rows:,}", exact=True).first).to_be_visible()
    picture(page, "source")


def test_the_partitions_page_shows_every_day_of_an_asset_as_materialised(
    ui: DagsterUI, page: Page
) -> None:
    page.goto("/assets/staged/order_items?view=partitions")
    expect(page.get_by_text(f"Materialized ({ui.days})")).to_be_visible()
    expect(page.get_by_text("Missing (0)")).to_be_visible()
    for key in KEYS if ui.days == len(KEYS) else ():  # a longer list has only what is in view
        expect(page.get_by_text(key, exact=True).first).to_be_visible()


def test_one_day_is_materialised_from_the_ui(ui: DagsterUI, page: Page) -> None:
    choose_partitions(page, "raw/customers", KEYS[1])
    page.get_by_role("button", name="Launch 1 run").click()
    status, materialised, verdicts = ui.run(watch_run(page))
    expect(page.get_by_text("expected outputs")).to_have_count(0)
    picture(page, "run")
    # A day that is as it is published is said twice: read again, and since when it is so.
    assert (status, set(materialised)) == ("SUCCESS", {KEYS[1]})
    assert verdicts == [(KEYS[1], name, True) for name in check_names("raw/customers")]
    page.goto("/runs")
    expect(page.get_by_text("etl_assets/started_by: UI").first).to_be_visible()
    expect(page.get_by_text("etl_assets/started_by: terminal").first).to_be_visible()
    picture(page, "runs")
    page.goto(f"/assets/raw/customers?view=partitions&partition={KEYS[1]}")
    expect(page.get_by_text("dagster/partition_row_count")).to_be_visible()


def test_the_checks_page_shows_a_verdict_for_every_day(ui: DagsterUI, page: Page) -> None:
    page.goto("/assets/staged/order_items?view=checks")
    for name in CHECK_NAMES:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_text("value_rules", exact=True).first.click()
    page.locator("[role=tab], a, button").filter(has_text="Partitions").last.click()
    expect(page.get_by_text(re.compile(rf"Passed\s*\({ui.days}\)"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Missing\s*\(0\)"))).to_be_visible()


def test_all_checks_of_a_table_run_alone_from_the_ui_and_publish_nothing(
    ui: DagsterUI, page: Page
) -> None:
    page.goto("/assets/staged/order_items?view=checks")
    # Dagster's own limit: a single partitioned check cannot be run from the UI, all together can.
    page.get_by_text("value_rules", exact=True).first.click()
    expect(page.locator("button", has_text="Execute").last).to_be_disabled()
    page.locator("button", has_text="Execute all").click()
    status, materialised, verdicts = ui.run(watch_run(page))
    assert (status, materialised) == ("SUCCESS", [])
    found = [one for one in verdicts if one[0] in KEYS]
    assert sorted(found) == sorted((key, name, True) for key in KEYS for name in CHECK_NAMES)


def test_the_plots_show_the_numbers_of_each_day(page: Page) -> None:
    page.goto("/assets/staged/order_items?view=overview")
    page.get_by_role("button", name="Plots").first.click()
    expect(page.get_by_text("dagster/partition_row_count").first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_text("dagster/partition_row_count").first.scroll_into_view_if_needed()
    picture(page, "plots")


def test_a_sensor_is_switched_on_and_loads_a_file_that_is_dropped(
    ui: DagsterUI, page: Page
) -> None:
    """Nobody asks for the run but the sensor, whose tick says in one line what it saw."""
    place = WritableStore(ObjectStoreSettings(), (ui.home / "partners").as_uri())
    plan = None
    if PICTURES is None:
        plan = ShopPlan(days=len(KEYS), orders_a_day=120)
        fill_partners(place, plan)
    page.goto(f"/locations/etl_assets/sensors/{SENSOR}")
    box = page.locator("input[type=checkbox]").first
    box.wait_for(state="attached")
    if box.is_checked():  # the demo's is on by itself
        box.locator("xpath=..").click()
        expect(box).not_to_be_checked()
    drop_file(place, plan)
    box.locator("xpath=..").click()
    expect(box).to_be_checked()

    def asked() -> str | None:
        ticks = [tick for tick in ui.ticks(SENSOR) if tick["runIds"]]
        return str(ticks[0]["runIds"][0]) if ticks else None

    run_id = wait_for(asked, 240, f"a tick that asks for a run, see {ui.log}")
    page.goto(f"/locations/etl_assets/sensors/{SENSOR}")
    expect(
        page.get_by_text(re.compile(r"1 run requested|Requested|1 requested")).first
    ).to_be_visible()
    picture(page, "sensor")
    ended = ("SUCCESS", "FAILURE", "CANCELED")
    wait_for(lambda: ui.run(run_id)[0] in ended, 300, f"the run {run_id}, see {ui.log}")
    status, days, _ = ui.run(run_id)
    assert status == "SUCCESS"
    page.goto(f"/assets/raw/shipments?view=partitions&partition={days[-1]}")
    expect(page.get_by_text("objects_refused").first).to_be_visible()


def terminated(page: Page, dialog: Locator) -> bool:
    """Whether the dialog offered to terminate the run, and was told to.

    Dagster offers only to force it on a page that was drawn while the run was still starting, until
    that page is loaded anew.
    """
    page.get_by_role("button", name="Terminate").first.click()
    confirm = dialog.get_by_role("button", name=re.compile("Terminate")).last
    try:
        confirm.click(timeout=10_000)
    except PlaywrightTimeout:
        page.reload()
        return False
    return True


def test_a_run_that_waits_is_terminated_from_its_page(ui: DagsterUI, page: Page) -> None:
    with psycopg.connect(ui.source) as holder:
        holder.execute("LOCK TABLE customers")
        choose_partitions(page, "raw/customers", KEYS[2])
        page.get_by_role("button", name="Launch 1 run").click()
        page.get_by_role("button", name="View", exact=True).or_(
            page.get_by_role("link", name="View", exact=True)
        ).click()
        page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
        wait_for(lambda: run(ui.source, LOCKED)[0][0], 300, f"the lock, see {ui.log}")
        dialog = page.locator("[role=dialog]")
        wait_for(lambda: terminated(page, dialog), 180, f"the dialog, see {ui.log}")
        expect(page.get_by_text("Canceled").first).to_be_visible(timeout=RUN_MS)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    picture(page, "terminated")


def test_the_backfill_of_the_week_materialises_its_days(ui: DagsterUI, page: Page) -> None:
    ended = ui.finished_backfill(ui.backfill_of("raw/products"))
    assert ended == {"status": "COMPLETED_SUCCESS", "raw/products": (7, 0)}
    page.goto("/assets/raw/products?view=partitions")
    expect(page.get_by_text(f"Materialized ({ui.days})")).to_be_visible()


def test_a_bad_day_in_a_backfill_costs_the_next_layer_that_day_and_no_other(
    ui: DagsterUI, page: Page
) -> None:
    """The real daemon: raw and staged orders of a week, of which one day fails its contract."""
    ended = ui.finished_backfill(ui.bad_backfill)
    assert ended["raw/orders"] == (6, 1)
    assert ended["staged/orders"][0] == 6
    assert (BAD, BAD, "FAILED") in ui.ranges("raw/orders")
    if PICTURES is None:  # nothing was published before
        materialised = [
            (KEYS[0], KEYS[1], "MATERIALIZED"),
            (KEYS[3], KEYS[-1], "MATERIALIZED"),
        ]
        done = [one for one in ui.ranges("staged/orders") if one[2] == "MATERIALIZED"]
        assert done == materialised
    page.goto("/assets/raw/orders?view=partitions")
    expect(page.get_by_text(f"Materialized ({ui.days - 1})")).to_be_visible()
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    picture(page, "refused-day")


def test_the_page_of_a_table_with_a_refused_day_is_red_and_shows_the_evidence(page: Page) -> None:
    page.goto("/assets/raw/orders")
    results = page.get_by_text("Latest check results")
    expect(results).to_be_visible()
    expect(results.locator("xpath=..").get_by_text(re.compile(r"^[23]$")).first).to_be_visible()
    picture(page, "asset")
    page.goto("/assets/raw/orders?view=checks&checkDetail=value_rules")
    expect(page.get_by_text("blocking", exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile(rf"{BAD} was refused by run")).first).to_be_visible()
    expect(page.get_by_text("currency: str_length").first).to_be_visible()
    picture(page, "red-check")
    page.goto("/assets/raw/orders?view=checks&checkDetail=days_refused")
    expect(
        page.get_by_text(re.compile(f"{BAD} is not published as it should be")).first
    ).to_be_visible()
    picture(page, "days-refused")
