"""What the UI shows of a table, as Dagster's own storage has it: refused days, blocking checks,
jobs, freshness, observations, and who started a run. In a browser it is `e2e/test_ui.py`.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest
from dagster import DagsterEventType
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

from etl_assets.core.catalog import Catalog
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.commands import run_job
from etl_assets.orchestration.freshness import policy_of
from etl_assets.orchestration.started_by import STARTED_BY
from etl_assets.orchestration.syncs import RECONCILE_JOB, SYNC_JOB
from etl_assets.pipeline.platform import Platform
from etl_assets.table_modules import tables_from
from etl_assets.tables import orders
from etl_assets_tests.orchestration.shop import DAYS, Shop, days_refused, materialised

CATALOG = tables_from()
ORDERS, STAGED = "raw/orders", "staged/orders"
BAD = DAYS[1]


def spoil(shop: Shop, currency: str) -> None:
    """A tenth of the second day's orders; with a cursor of now, so that a sync sees it."""
    shop.sql(
        f"UPDATE orders SET currency = '{currency}', updated_at = now() "
        f"WHERE created_at::date = '{BAD}' AND id % 10 = 0"
    )


def sync(shop: Shop, job: str = SYNC_JOB) -> dg.ExecuteInProcessResult:
    return run_job(shop.platform, job, [CATALOG[ORDERS]], shop.instance)


def latest(shop: Shop, path: str, check: str) -> tuple[str | None, bool]:
    """The verdict that the UI shows as the latest one: its day, and whether it passed."""
    key = dg.AssetCheckKey(dg.AssetKey(path.split("/")), check)
    found = shop.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert asyncio.run(found.targets_latest_materialization(LoadingContextForTest(shop.instance)))
    assert found.evaluation is not None
    return found.partition, found.evaluation.passed


def red_days(shop: Shop, path: str) -> set[str]:
    """The days that the UI paints red: a run that failed was to bring them, and none has since."""
    storage = shop.instance.event_log_storage
    tried = storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        dg.AssetKey(path.split("/"))
    )
    failed = {dg.DagsterRunStatus.FAILURE}
    return {
        day
        for day, (run_id, _) in tried.items()
        if shop.instance.get_run_by_id(run_id).status in failed
    }


def test_the_latest_verdict_shown_is_that_of_the_refused_day_until_it_is_good(shop: Shop) -> None:
    spoil(shop, "€")
    result = shop.load(ORDERS)
    assert not result.success
    assert latest(shop, ORDERS, "value_rules") == (str(BAD), False), "good days come after it"
    assert latest(shop, ORDERS, "unique_key") == (str(DAYS[-1]), True)
    assert days_refused(result, ORDERS) == [1]
    assert latest(shop, ORDERS, "days_refused") == (None, False)
    assert red_days(shop, ORDERS) == {str(BAD)}
    spoil(shop, "EUR")
    again = shop.load(ORDERS, days=[BAD])
    assert days_refused(again, ORDERS) == [0]
    assert latest(shop, ORDERS, "value_rules") == (str(BAD), True)
    assert latest(shop, ORDERS, "days_refused") == (None, True)
    assert red_days(shop, ORDERS) == set()


@pytest.mark.thorough_for("reconcile")
@pytest.mark.parametrize("job", [SYNC_JOB, RECONCILE_JOB])
def test_a_published_day_that_a_sync_is_refused_is_green_no_more(shop: Shop, job: str) -> None:
    assert shop.load(ORDERS).success
    assert sync(shop).success
    spoil(shop, "€")
    refused = sync(shop, job)
    assert not refused.success
    assert str(BAD) not in materialised(refused).get(ORDERS, [])
    assert red_days(shop, ORDERS) == {str(BAD)}
    assert latest(shop, ORDERS, "value_rules") == (str(BAD), False)
    assert days_refused(refused, ORDERS) == [1]
    spoil(shop, "EUR")
    mended = sync(shop, job)
    assert mended.success
    assert days_refused(mended, ORDERS) == [0]
    assert red_days(shop, ORDERS) == set()


@pytest.mark.thorough
def test_counting_refused_days_lets_none_through(shop: Shop) -> None:
    """A good day after the bad one makes the count no better; nothing is built on the bad one."""
    spoil(shop, "€")
    assert not shop.load(ORDERS).success
    later = shop.load(ORDERS, days=[DAYS[-1]])
    assert later.success
    assert days_refused(later, ORDERS) == [1], "another day's success hides nothing"
    assert shop.published(ORDERS, BAD) == []
    built = shop.load(STAGED)
    assert str(BAD) not in materialised(built)[STAGED]


def test_checks_that_keep_a_day_out_are_blocking_and_those_that_warn_are_not(shop: Shop) -> None:
    graph = shop.definitions.resolve_asset_graph()
    specs = {
        key: graph.get_check_spec(key) for key in graph.asset_check_keys if key.name != "arrived"
    }
    severities = {key: spec.metadata["severity"] for key, spec in specs.items()}
    assert {
        key.name for key, spec in specs.items() if spec.blocking != (severities[key] == "error")
    } == {"days_refused"}, "it only counts"
    assert {key.name for key, spec in specs.items() if spec.blocking} >= {"value_rules", "dtypes"}


@pytest.mark.thorough
def test_a_load_has_a_step_for_each_table_and_says_nothing_of_outputs_or_hooks(shop: Shop) -> None:
    result = shop.load(ORDERS, STAGED)
    assert result.success
    steps = {event.step_key for event in result.all_events if event.step_key}
    assert steps == {"raw__orders", "staged__orders"}
    synced = sync(shop)
    for run_id in (result.run_id, synced.run_id):
        logs = shop.instance.all_logs(run_id)
        assert [one for one in logs if "expected outputs" in (one.user_message or "")] == []
        hooks = {DagsterEventType.HOOK_SKIPPED, DagsterEventType.HOOK_COMPLETED}
        assert [one for one in logs if one.dagster_event_type in hooks] == []


def test_sync_and_reconcile_are_the_jobs_of_what_they_bring_and_of_what_they_read(
    shop: Shop,
) -> None:
    targets = {
        job: {
            "/".join(key.path)
            for key in shop.definitions.resolve_job_def(job).asset_layer.external_job_asset_keys
        }
        for job in (SYNC_JOB, RECONCILE_JOB)
    }
    syncing = {path for path, table in CATALOG.items() if table.syncs}
    assert targets[SYNC_JOB] >= syncing | {"raw/products_versions", "source/orders"}
    assert {path for path in targets[SYNC_JOB] if path.startswith("raw/")} <= {
        *syncing,
        *(f"{path}_versions" for path in syncing),
    }
    assert targets[RECONCILE_JOB] >= {"raw/countries", "source/countries"}


def test_every_schedule_and_sensor_says_what_it_does(shop: Shop) -> None:
    repository = shop.definitions.get_repository_def()
    for one in (*repository.schedule_defs, *repository.sensor_defs):
        assert len(one.description or "") > 30, one.name
        assert one.description.endswith("."), one.name


def test_five_days_of_everything_are_five_days_of_every_table(shop: Shop) -> None:
    """Running sums and windows read other days as well, which make none of these be asked for."""
    graph = shop.definitions.resolve_asset_graph()
    asked = [str(day) for day in DAYS[:2]]
    made = [key for key in graph.get_all_asset_keys() if graph.get(key).is_materializable]
    with dg.DagsterInstance.ephemeral() as instance:
        data = AssetBackfillData.from_asset_partitions(
            asset_graph=graph,
            partition_names=asked,
            asset_selection=made,
            dynamic_partitions_store=instance,
            backfill_start_timestamp=datetime.now(UTC).timestamp(),
            all_partitions=False,
        )
    subsets = data.target_subset.partitions_subsets_by_asset_key
    found = {"/".join(key.path): sorted(days.get_partition_keys()) for key, days in subsets.items()}
    assert found == {path: asked for path, table in CATALOG.items() if table.has_days}


def test_a_run_says_who_started_it(shop: Shop) -> None:
    loaded = shop.load(ORDERS)
    assert shop.instance.get_run_by_id(loaded.run_id).tags[STARTED_BY] == "terminal"
    job = shop.definitions.resolve_implicit_global_asset_job_def()
    tags = {
        "UI": {"dagster/from_ui": "true"},
        "schedule": {"dagster/schedule_name": "sync_schedule"},
        "sensor": {"dagster/sensor_name": "late_staged_days"},
        "Dagster's API": {},
    }
    for who, given in tags.items():
        done = job.execute_in_process(
            instance=shop.instance,
            asset_selection=[dg.AssetKey(ORDERS.split("/"))],
            tags={"dagster/partition": str(DAYS[0]), **given},
        )
        assert shop.instance.get_run_by_id(done.run_id).tags[STARTED_BY] == who


def observations(shop: Shop, key: str) -> list[dict[str, object]]:
    """The metadata of what was seen of a source, the newest first."""
    found = shop.instance.fetch_observations(dg.AssetKey(key.split("/")), limit=10).records
    return [
        {name: value.value for name, value in one.asset_observation.metadata.items()}
        for one in found
    ]


@pytest.mark.thorough
def test_loads_and_syncs_say_what_they_saw_of_the_source(shop: Shop) -> None:
    shop.load(ORDERS)
    (seen,) = observations(shop, "source/orders")
    ((rows,),) = shop.sql(f"SELECT count(*) FROM orders WHERE created_at < '{DAYS[-1]}'::date + 1")
    assert (seen["seen_by"], seen["rows_of_these_days"]) == ("a load", rows)
    sync(shop)
    shop.sql(
        "ALTER TABLE orders ADD gift_wrap boolean",
        "UPDATE orders SET note = 'x', updated_at = now() WHERE id IN (1, 2)",
    )
    sync(shop)
    newest = observations(shop, "source/orders")[0]
    assert newest["seen_by"] == "a sync"
    assert newest["not_in_contract"] == "gift_wrap (boolean)"
    assert str(date.today().year) in str(newest["newest_cursor"])


def test_a_source_is_observed_when_somebody_asks_for_it(shop: Shop) -> None:
    keys = [dg.AssetKey(["source", *path]) for path in (["orders"], ["files", "shipments"])]
    job = dg.define_asset_job("look", dg.AssetSelection.assets(*keys))
    merged = dg.Definitions.merge(shop.definitions, dg.Definitions(jobs=[job]))
    done = merged.resolve_job_def("look").execute_in_process(instance=shop.instance)
    assert done.success
    ((rows, newest),) = shop.sql("SELECT count(*), max(updated_at) FROM orders")
    (orders,), (files,) = (observations(shop, "/".join(key.path)) for key in keys)
    assert orders["dagster/row_count"] == rows
    assert str(newest)[:19] in str(orders["newest_cursor"])
    assert orders["not_in_contract"] == "none"
    assert files["objects"] > 0
    assert files["bytes"] > 0


@pytest.fixture
def endless(shop: Shop) -> Iterator[Platform]:
    """The same shop with days that have no end, as in production."""
    with closing(Platform(shop.settings.changed(last_day=None))) as platform:
        yield platform


@pytest.mark.thorough
def test_a_stalled_sync_turns_its_table_red_and_one_that_finds_nothing_does_not(
    shop: Shop, endless: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, settings = endless, endless.settings
    table = CATALOG[ORDERS]
    assert policy_of(settings, table) == dg.FreshnessPolicy.time_window(
        timedelta(hours=1), timedelta(minutes=30)
    )
    assert policy_of(shop.settings, table) is None, "these days have an end: nothing comes"
    assert policy_of(settings, CATALOG[STAGED]) is None
    definitions = build_definitions(settings, overrides={"platform": platform})
    node = definitions.resolve_asset_graph().get(dg.AssetKey(ORDERS.split("/")))
    run_job(platform, SYNC_JOB, [table], shop.instance)
    began = datetime.now(UTC)

    def state_after(minutes: int) -> FreshnessState:
        with freeze_time(began + timedelta(minutes=minutes)):
            context = LoadingContextForTest(shop.instance)
            evaluator = TimeWindowFreshnessPolicyEvaluator()
            return asyncio.run(evaluator.evaluate_freshness(context, node))

    states = [state_after(minutes) for minutes in (0, 29, 31, 61)]
    assert states == [
        FreshnessState.PASS,
        FreshnessState.PASS,
        FreshnessState.WARN,
        FreshnessState.FAIL,
    ]
    idle = run_job(platform, SYNC_JOB, [table], shop.instance)
    assert materialised(idle) == {}, "nothing new was said a moment ago"
    later = time.time() + timedelta(minutes=25).total_seconds()
    monkeypatch.setattr("etl_assets.orchestration.freshness.now", lambda: later)
    idle = run_job(platform, SYNC_JOB, [table], shop.instance)
    assert materialised(idle) == {ORDERS: [None]}, "it names no day: none was loaded"
    assert state_after(15) is FreshnessState.PASS


def stale(shop: Shop, definitions: dg.Definitions, path: str) -> dict[str, str]:
    """Why the UI calls days of a table stale, by day."""
    resolver = CachingStaleStatusResolver(
        shop.instance, definitions.resolve_asset_graph(), LoadingContextForTest(shop.instance)
    )
    found = {
        str(day): resolver.get_stale_causes(dg.AssetKey(path.split("/")), str(day)) for day in DAYS
    }
    return {day: causes[0].reason for day, causes in found.items() if causes}


def test_a_changed_transform_shows_its_days_as_stale_and_no_others(shop: Shop) -> None:
    assert shop.load(ORDERS, STAGED).success
    assert sync(shop).success
    shop.sql(f"UPDATE orders SET note = 'x', updated_at = now() WHERE created_at::date = '{BAD}'")
    assert materialised(sync(shop)) == {ORDERS: [str(BAD)]}
    assert shop.load(STAGED, days=[BAD]).success
    assert stale(shop, shop.definitions, ORDERS) == {}
    assert stale(shop, shop.definitions, STAGED) == {}

    def rounded(raw: pl.LazyFrame) -> pl.LazyFrame:
        return orders.stage(raw).with_columns(pl.col("total_amount").round(0))

    changed = replace(orders.TABLE, stage=rounded)
    catalog = Catalog.of([changed])
    definitions = build_definitions(shop.settings, catalog)
    assert stale(shop, definitions, STAGED) == dict.fromkeys(
        map(str, DAYS), "has a new code version"
    )
    assert stale(shop, definitions, ORDERS) == {}, "it is read as before"


def test_every_asset_says_where_it_is_and_shows_no_secret(shop: Shop) -> None:
    graph = shop.definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        uri = graph.get(key).metadata.get("dagster/uri")
        assert uri is not None, key
        assert "://" in str(uri), key
        assert "@" not in str(uri), key
    assert str(graph.get(dg.AssetKey(["raw", "orders"])).metadata["dagster/uri"]).endswith(
        "warehouse.duckdb#raw.orders"
    )
    assert str(graph.get(dg.AssetKey(["source", "orders"])).metadata["dagster/uri"]).endswith(
        "#public.orders"
    )
