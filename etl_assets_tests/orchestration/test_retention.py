"""M8: killed runs are started again, and the event log does not grow without bound."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run

from etl_assets.config import Settings
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.orchestration.backfill import home_instance
from etl_assets.orchestration.retention import build_retention_sensor, remove_old_runs
from etl_assets_tests.source_tables import run

JOBS = ["sync", "reconcile"]
NOW = datetime.now(UTC)
KEY = dg.AssetKey(["raw", "orders"])


@pytest.fixture
def storage_url(postgres: EmbeddedPostgres, database_url: str) -> str:
    return database_url


@pytest.fixture
def instance(
    storage_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A real instance of the repository's dagster.yaml, on a database of its own."""
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", storage_url)
    monkeypatch.setenv("ETL_HOME", str(tmp_path))
    with home_instance(Settings(home=tmp_path)) as made:
        yield made


def happened(instance: dg.DagsterInstance, job: str, *partitions: str, check: bool = False) -> str:
    """A run of a job that materialised these partitions; its id."""

    @dg.op(out=dg.Out(dg.Nothing))
    def work(context: dg.OpExecutionContext) -> Iterator[object]:
        context.log.info("a line in the log")
        for partition in partitions:
            yield dg.AssetMaterialization(KEY, partition=partition)
            if check:
                yield dg.AssetCheckEvaluation(
                    asset_key=KEY, check_name="unique_key", passed=True, partition=partition
                )
        yield dg.Output(None)

    made = dg.GraphDefinition(name=job, node_defs=[work]).to_job()
    result = made.execute_in_process(instance=instance)
    assert result.success
    return result.run_id


def grow_old(storage_url: str, *runs: str, days: int = 31) -> None:
    ended = (NOW - timedelta(days=days)).timestamp()
    for run_id in runs:
        run(storage_url, f"UPDATE runs SET end_time = {ended} WHERE run_id = '{run_id}'")


def left(instance: dg.DagsterInstance) -> set[str]:
    return {one.run_id for one in instance.get_runs()}


def remove(instance: dg.DagsterInstance) -> int:
    return remove_old_runs(instance, JOBS, NOW - timedelta(days=30))


def test_m8_an_old_run_that_changed_nothing_is_removed_with_its_events(
    instance: dg.DagsterInstance, storage_url: str
) -> None:
    old, new, other = (happened(instance, name) for name in ("sync", "sync", "backfill"))
    grow_old(storage_url, old, other)
    assert remove(instance) == 1
    assert left(instance) == {new, other}
    events = run(storage_url, f"SELECT count(*) FROM event_logs WHERE run_id = '{old}'")
    assert events == [(0,)]


def test_m8_the_newest_materialisation_of_a_partition_stays(
    instance: dg.DagsterInstance, storage_url: str
) -> None:
    first = happened(instance, "sync", "2024-01-01", "2024-01-02")
    second = happened(instance, "sync", "2024-01-01")
    grow_old(storage_url, first, second)
    assert remove(instance) == 0  # the second day's newest is the first run's
    third = happened(instance, "reconcile", "2024-01-02")
    grow_old(storage_url, third)
    assert remove(instance) == 1
    assert left(instance) == {second, third}
    assert instance.get_materialized_partitions(KEY) == {"2024-01-01", "2024-01-02"}


def test_m8_the_newest_verdict_of_a_partition_stays(
    instance: dg.DagsterInstance, storage_url: str
) -> None:
    first = happened(instance, "sync", "2024-01-01", check=True)
    second = happened(instance, "sync", "2024-01-01")
    grow_old(storage_url, first, second)
    assert remove(instance) == 0
    third = happened(instance, "sync", "2024-01-01", check=True)
    assert remove(instance) == 2
    assert left(instance) == {third}
    checks = run(storage_url, "SELECT run_id FROM asset_check_executions")
    assert checks == [(third,)]


def test_m8_a_run_that_still_goes_is_never_removed(
    instance: dg.DagsterInstance, storage_url: str
) -> None:
    going = instance.create_run_for_job(
        dg.GraphDefinition(name="sync", node_defs=[]).to_job(), status=dg.DagsterRunStatus.STARTED
    ).run_id
    grow_old(storage_url, going)
    assert remove(instance) == 0
    assert left(instance) == {going}


def test_m8_the_sensor_removes_and_says_how_many(
    instance: dg.DagsterInstance, storage_url: str, tmp_path: Path
) -> None:
    old = happened(instance, "sync")
    grow_old(storage_url, old, days=8)
    settings = Settings(home=tmp_path, run_retention_days=7)
    sensor = build_retention_sensor(settings, JOBS)
    with dg.build_sensor_context(instance=instance) as context:
        reason = sensor(context)
    assert isinstance(reason, dg.SkipReason)
    assert "1 runs" in str(reason.skip_message)
    assert left(instance) == set()


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (RunFailureReason.UNEXPECTED_TERMINATION, True),
        (RunFailureReason.UNKNOWN, True),
        (RunFailureReason.STEP_FAILURE, False),
    ],
)
def test_m8_a_killed_run_is_started_again_and_a_failed_step_is_not(
    instance: dg.DagsterInstance, reason: RunFailureReason, again: bool
) -> None:
    job = dg.GraphDefinition(name="sync", node_defs=[]).to_job()
    failed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE)
    assert auto_reexecution_should_retry_run(instance, failed, reason) is again
