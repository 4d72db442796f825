"""The sync and reconcile jobs in Dagster: touched days, their checks, versions, failures."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from etl_assets.orchestration.commands import run_job
from etl_assets.orchestration.syncs import RECONCILE_JOB, SYNC_JOB, SyncReport
from etl_assets.pipeline.reconcile import Reconciliation
from etl_assets.table_modules import tables_from
from etl_assets_tests.orchestration.shop import (
    DAYS,
    Shop,
    check_names,
    evaluations,
    materialised,
    metadata_of,
)

CATALOG = tables_from()

ORDERS, CUSTOMERS = "raw/orders", "raw/customers"


def run(shop: Shop, job: str, *paths: str, **config: bool) -> dg.ExecuteInProcessResult:
    tables = [CATALOG[path] for path in paths]
    return run_job(shop.platform, job, tables, shop.instance, config or None)


@pytest.fixture
def synced(shop: Shop) -> Shop:
    """A shop whose raw tables are loaded and have caught up."""
    shop.load(ORDERS, CUSTOMERS)
    assert run(shop, SYNC_JOB, ORDERS, CUSTOMERS).success
    return shop


def first_ids(shop: Shop, day: int, most: int) -> Sequence[int]:
    rows = shop.sql(
        f"SELECT id FROM orders WHERE created_at::date = '{DAYS[day]}' ORDER BY id LIMIT {most}"
    )
    return [key for (key,) in rows]


def test_a_sync_materialises_the_days_that_it_touched_with_their_checks(synced: Shop) -> None:
    begun: list[str] = []
    reports: list[SyncReport] = []
    synced.platform.on_begin, synced.platform.on_sync = begun.append, reports.append
    (key,), others = first_ids(synced, 1, 1), first_ids(synced, 2, 2)
    changed = ", ".join(map(str, [key, *others]))
    synced.sql(f"UPDATE orders SET status = 'paid', updated_at = now() WHERE id IN ({changed})")
    result = run(synced, SYNC_JOB, ORDERS)
    days = [str(DAYS[1]), str(DAYS[2])]
    assert materialised(result) == {ORDERS: days}
    assert [(one.partition, one.check_name) for one in evaluations(result)] == [
        (day, name) for day in days for name in check_names(ORDERS)
    ]
    assert all(one.passed for one in evaluations(result))
    metadata = metadata_of(result, ORDERS)
    assert [metadata[day]["changed_rows"] for day in days] == [1, 2]
    assert metadata[days[0]]["why"] == "changes that were synced"
    told = {day: metadata[day]["dagster/partition_row_count"] for day in days}
    assert told == {
        str(state.partition_key): state.row_count
        for state in synced.state(ORDERS).values()
        if str(state.partition_key) in days
    }
    assert [(report.table, report.changed, len(report.days)) for report in reports] == [
        (ORDERS, 3, 2)
    ]
    assert begun == [ORDERS]
    again = run(synced, SYNC_JOB, ORDERS)
    assert (again.success, materialised(again)) == (True, {})


@pytest.mark.thorough
def test_a_table_that_keeps_versions_materialises_their_days_too(synced: Shop) -> None:
    versions = "raw/customers_versions"
    synced.sql("UPDATE customers SET phone = '1', updated_at = '2024-01-02 10:00Z' WHERE id = 1")
    synced.sql("UPDATE customers SET updated_at = now() WHERE id = 2")
    result = run(synced, SYNC_JOB, CUSTOMERS)
    assert set(materialised(result)) <= {CUSTOMERS, versions}
    assert CUSTOMERS in materialised(result)


@pytest.mark.thorough
def test_a_table_that_cannot_be_synced_fails_alone_and_is_told_once(synced: Shop) -> None:
    told: dict[str, str] = {}
    synced.platform.on_failure = told.__setitem__
    synced.sql(
        "ALTER TABLE orders RENAME COLUMN status TO state",
        "UPDATE customers SET phone = '2', updated_at = now() WHERE id = 1",
    )
    result = run(synced, SYNC_JOB, ORDERS, CUSTOMERS)
    assert not result.success
    assert CUSTOMERS in materialised(result)
    assert ORDERS not in materialised(result)
    assert list(told) == ["sync__orders"]
    assert "no column status" in told["sync__orders"]
    assert "state" in told["sync__orders"]


def test_a_reconciliation_repairs_what_no_cursor_tells(synced: Shop) -> None:
    found: list[Reconciliation] = []
    synced.platform.on_reconciled = found.append
    gone, silent = first_ids(synced, 1, 2)
    synced.sql(
        f"DELETE FROM order_items WHERE order_id = {gone}",
        f"DELETE FROM orders WHERE id = {gone}",
        f"UPDATE orders SET total_cents = 12345 WHERE id = {silent}",
    )
    seen = run(synced, RECONCILE_JOB, ORDERS, repair=False)
    assert not seen.success
    assert materialised(seen) == {}
    result = run(synced, RECONCILE_JOB, ORDERS, repair=True)
    assert result.success
    assert materialised(result) == {ORDERS: [str(DAYS[1])]}
    looked, repaired = found
    assert (looked.differences.extra.height, looked.differences.changed.height) == (1, 1)
    assert repaired.repair is not None
    assert (repaired.is_equal, repaired.repair.outcome.removed) == (True, 1)
    assert {state.verified_through for state in synced.state(ORDERS).values()} == {
        repaired.verified_through
    }


@pytest.mark.thorough
def test_what_a_person_should_know_is_told_with_the_report(synced: Shop) -> None:
    reports: list[SyncReport] = []
    synced.platform.on_sync = reports.append
    (day,) = synced.sql("SELECT max(created_at)::date + 1 FROM orders")[0]
    synced.sql(
        "ALTER TABLE orders ADD gift_wrap boolean",
        f"UPDATE orders SET created_at = '{day}', updated_at = now() WHERE id = 1",
    )
    assert run(synced, SYNC_JOB, ORDERS).success
    (report,) = reports
    assert report.notes() == [
        "raw/orders: the source's columns changed: gift_wrap (boolean) was added.",
        "raw/orders: not in the contract, and not read: gift_wrap (boolean).",
        "raw/orders: 1 row belongs to no day of this platform, and is not loaded: before "
        "ETL_FIRST_DAY, after ETL_LAST_DAY, or without a moment.",
    ]


def test_the_demo_shop_has_no_schedule_that_runs_by_itself(shop: Shop) -> None:
    repository = shop.definitions.get_repository_def()
    statuses = {one.name: one.default_status for one in repository.schedule_defs}
    statuses |= {one.name: one.default_status for one in repository.sensor_defs}
    running = {name for name, status in statuses.items() if status.value == "RUNNING"}
    assert statuses.keys() == {
        "sync_schedule",
        "reconcile_schedule",
        "late_staged_days",
        "late_enriched_days",
        "new_files__identity_decisions",
        "new_files__shipments",
        "new_files__supplier_prices",
        "poll__crm_contacts",
        "poll__sales",
        "run_retention",
    }
    # The tests' shop has a DATABASE_URL: there they run.
    assert running == (set(statuses) if shop.settings.database_url else set())


@pytest.mark.thorough
def test_a_sync_schedule_waits_while_a_sync_is_under_way(shop: Shop, tmp_path: Path) -> None:
    repository = shop.definitions.get_repository_def()
    schedule = repository.get_schedule_def("sync_schedule")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def requests() -> int:
            context = dg.build_schedule_context(instance=instance, repository_def=repository)
            return len(schedule.evaluate_tick(context).run_requests or [])

        assert requests() == 1
        job = repository.get_job("sync")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert requests() == 0
