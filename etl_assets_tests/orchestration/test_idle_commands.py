"""A `sync` with nothing to do ends without Dagster, and nothing that is to be done is missed."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from etl_assets.orchestration.commands import run_job
from etl_assets.orchestration.syncs import SYNC_JOB
from etl_assets.pipeline.idle import idle_syncs, is_behind
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.reloads import change_reloads
from etl_assets.pipeline.rewind import rewind
from etl_assets.pipeline.sync import Sync
from etl_assets.pipeline.sync_report import SyncReport
from etl_assets_tests.orchestration.shop import DAYS, Shop

ORDERS, CUSTOMERS = "raw/orders", "raw/customers"
_PROGRAM = """
import sys
from etl_assets.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("with Dagster" if "dagster" in sys.modules else "without Dagster")
"""


@pytest.fixture
def caught_up(shop: Shop) -> Shop:
    """A shop of which two tables are synced."""
    sync(shop)
    return shop


def sync(shop: Shop) -> None:
    """Sync the two tables, without Dagster: these tests need no run of it."""
    platform = shop.platform
    for path in (ORDERS, CUSTOMERS):
        table = platform.catalog[path]
        with platform.spool("test", table.name) as folder:
            list(platform.sync(table, folder, "test").run())


def run_of_the_sync(shop: Shop, *paths: str) -> list[SyncReport]:
    """A run of these tables, default: of all that sync."""
    reports: list[SyncReport] = []
    shop.platform.on_sync = reports.append
    tables = [
        t for t in shop.platform.catalog.values() if t.syncs and t.path in (paths or [t.path])
    ]
    assert run_job(shop.platform, SYNC_JOB, tables, shop.instance).success
    return reports


def idle(platform: Platform, *paths: str) -> list[str]:
    return list(idle_syncs(platform, [platform.catalog[path] for path in paths]))


def command(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    ours = ("DATABASE_", "WAREHOUSE_", "ETL_", "DAGSTER_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "DATABASE_URL": shop.url,
        "DATABASE_URL_BILLING": shop.url,
        "ETL_HOME": str(shop.settings.home),
        "ETL_FIRST_DAY": str(DAYS[0]),
        "ETL_LAST_DAY": str(DAYS[-1]),
    }
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def told(report: SyncReport) -> tuple[object, ...]:
    mark = report.last.mark if report.last else None
    counts = (report.rows, report.changed, report.removed, report.days)
    return (report.table, *counts, mark, report.notes())


def test_an_idle_sync_does_without_dagster(shop: Shop) -> None:
    run_of_the_sync(shop)
    reports = run_of_the_sync(shop)
    tables = [shop.platform.catalog[report.table] for report in reports]
    found = idle_syncs(shop.platform, tables)
    assert [told(report) for report in found.values()] == [told(report) for report in reports]
    synced = command(shop, "sync", "--no-derive")
    assert (synced.returncode, synced.stderr) == (0, "")
    assert "without Dagster" in synced.stdout
    for table in tables:
        assert re.search(rf"{table.path} +0 +0 +0 +0 +20", synced.stdout)
    assert "No derived day" not in synced.stdout


@pytest.mark.thorough
def test_rows_of_the_look_back_are_read_again_and_are_no_change(caught_up: Shop) -> None:
    change_a_row(caught_up)
    sync(caught_up)
    table = caught_up.platform.catalog[ORDERS]
    before = caught_up.platform.warehouse.table_state(table)
    report = idle_syncs(caught_up.platform, [table])[ORDERS]
    assert (report.rows, report.changed) == (1, 0)
    assert caught_up.platform.warehouse.table_state(table) == before
    assert not (caught_up.settings.home / "spool").exists() or not list(
        (caught_up.settings.home / "spool").rglob("*.parquet")
    )
    change_a_row(caught_up, "again")
    assert idle_syncs(caught_up.platform, [table]) == {}


def change_a_row(shop: Shop, note: str = "changed") -> None:
    shop.sql(f"UPDATE orders SET note = '{note}', updated_at = now() WHERE id = 1")


def change_a_row_in_the_future(shop: Shop) -> None:
    shop.sql("UPDATE orders SET updated_at = now() + interval '900 years' WHERE id = 1")


def take_the_cursor_away(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE orders ALTER updated_at DROP NOT NULL",
        "UPDATE orders SET updated_at = NULL WHERE id = 1",
    )


def add_a_column(shop: Shop) -> None:
    shop.sql("ALTER TABLE orders ADD gift_wrap boolean")


def rename_a_column(shop: Shop) -> None:
    shop.sql("ALTER TABLE orders RENAME COLUMN status TO state")


def have_a_day_wait(shop: Shop) -> None:
    reasons = {DAYS[1]: "refused by null_ratios"}
    change_reloads(
        shop.platform.warehouse, shop.platform.catalog[ORDERS], reasons, "test", adding=True
    )


def forget_the_position(shop: Shop) -> None:
    rewind(shop.platform.warehouse, shop.platform.catalog[ORDERS], None)


def set_the_position_back(shop: Shop) -> None:
    table = shop.platform.catalog[ORDERS]
    ((oldest,),) = shop.sql("SELECT min(updated_at) FROM orders")
    rewind(shop.platform.warehouse, table, oldest)


def damage_the_position(shop: Shop) -> None:
    shop.warehouse(
        f"UPDATE etl.etl_tables SET watermark_key = '?' WHERE table_name = '{ORDERS}'", write=True
    )


@pytest.mark.thorough_but("change_a_row_in", "add_a_column", "have_a_day_wait")
@pytest.mark.parametrize(
    "happens",
    [
        change_a_row,
        change_a_row_in_the_future,
        take_the_cursor_away,
        add_a_column,
        rename_a_column,
        have_a_day_wait,
        forget_the_position,
        set_the_position_back,
        damage_the_position,
    ],
)
def test_a_table_with_something_to_do_is_not_idle(
    caught_up: Shop, happens: Callable[[Shop], None]
) -> None:
    assert idle(caught_up.platform, ORDERS, CUSTOMERS) == [ORDERS, CUSTOMERS]
    happens(caught_up)
    assert idle(caught_up.platform, ORDERS, CUSTOMERS) == [CUSTOMERS]


@pytest.mark.thorough
@pytest.mark.parametrize("happens", [take_the_cursor_away, change_a_row_in_the_future])
def test_m10_rows_without_a_usable_cursor_are_read_and_counted_by_every_sync(
    caught_up: Shop, happens: Callable[[Shop], None]
) -> None:
    happens(caught_up)
    told = (
        f"{ORDERS}: 1 row has no usable cursor (none, or one in the future), so every sync reads "
        f"it again. etl-assets doctor {ORDERS} says what to write."
    )
    table = caught_up.platform.catalog[ORDERS]
    for _ in range(2):
        (run,) = run_of_the_sync(caught_up, ORDERS)
        for report in [run, *idle_syncs(caught_up.platform, [table]).values()]:
            assert (report.rows, report.notes()) == (1, [told])


@pytest.mark.thorough
def test_nothing_is_idle_that_was_never_synced_or_whose_source_is_away(shop: Shop) -> None:
    assert idle(shop.platform, ORDERS) == []
    shop.load(ORDERS)
    assert idle(shop.platform, ORDERS) == []
    sync(shop)
    away = Platform(replace_url(shop, "postgresql://nobody@127.0.0.1:1/nothing"))
    assert idle(away, ORDERS) == []


def test_what_nobody_foresaw_is_left_to_the_run_as_well(
    caught_up: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Sync) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Sync, "idle", broken)
    assert idle(caught_up.platform, ORDERS) == []


def replace_url(shop: Shop, url: str) -> object:
    return shop.settings.model_copy(update={"database_url": url})


def test_days_that_were_added_to_the_platform_are_synced(caught_up: Shop) -> None:
    earlier = DAYS[0] - timedelta(days=3)
    wider = Platform(caught_up.settings.model_copy(update={"first_day": earlier}))
    assert idle(wider, ORDERS) == []
    wider.close()


def test_derived_days_that_are_late_are_something_to_do(caught_up: Shop) -> None:
    caught_up.load("staged/orders")
    derived = ["staged/orders"]
    assert not is_behind(caught_up.platform, derived)
    change_a_row(caught_up)
    sync(caught_up)
    assert idle(caught_up.platform, ORDERS) == [ORDERS]
    assert is_behind(caught_up.platform, derived)
    assert not is_behind(caught_up.platform, ["enriched/daily_revenue"])
