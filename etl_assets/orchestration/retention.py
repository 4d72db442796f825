"""Removes old runs of the sync and reconcile jobs from Dagster's database, which would keep all.

A run stays as long as one of its materialisations or verdicts is the newest of its partition, so
that the UI shows the same days and checks afterwards. Runs of backfills and of the UI stay.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage

from etl_assets.config import Settings
from etl_assets.core.wording import count_of

_MOST_RUNS = 200
_SECONDS = 20.0  # a tick of a sensor has 60
_FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
_OLD = """
SELECT r.run_id FROM runs AS r
WHERE r.pipeline_name = ANY(:jobs) AND r.status = ANY(:finished)
  AND coalesce(r.end_time, extract(epoch FROM r.update_timestamp)) < :before
  AND NOT EXISTS (
    SELECT FROM event_logs AS e
    WHERE e.run_id = r.run_id AND e.dagster_event_type = 'ASSET_MATERIALIZATION'
      AND NOT EXISTS (
        SELECT FROM event_logs AS newer
        WHERE newer.asset_key = e.asset_key AND newer.partition IS NOT DISTINCT FROM e.partition
          AND newer.dagster_event_type = e.dagster_event_type AND newer.id > e.id))
  AND NOT EXISTS (
    SELECT FROM event_logs AS e
    JOIN asset_check_executions AS c ON c.evaluation_event_storage_id = e.id
    WHERE e.run_id = r.run_id AND e.dagster_event_type = 'ASSET_CHECK_EVALUATION'
      AND NOT EXISTS (
        SELECT FROM asset_check_executions AS newer
        WHERE newer.asset_key = c.asset_key AND newer.check_name = c.check_name
          AND newer.partition IS NOT DISTINCT FROM c.partition AND newer.id > c.id))
ORDER BY r.id LIMIT :most
"""
_FORGET_CHECKS = "DELETE FROM asset_check_executions WHERE run_id = :run_id"


def build_retention_sensor(settings: Settings, jobs: Sequence[str]) -> dg.SensorDefinition:
    """Looks every hour for runs of these jobs that ended more than the days of the setting ago.

    It is on by itself where the jobs' schedules are.
    """
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name="run_retention",
        minimum_interval_seconds=3600,
        default_status=status.RUNNING if settings.database_url else status.STOPPED,
        description=f"Removes runs of {' and '.join(jobs)} that are older than "
        f"{count_of(settings.run_retention_days, 'day')} and that nothing refers to any more.",
    )
    def run_retention(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        before = datetime.now(UTC) - timedelta(days=settings.run_retention_days)
        removed = remove_old_runs(context.instance, jobs, before)
        return dg.SkipReason(f"{removed} runs that ended before {before:%Y-%m-%d} were removed.")

    return run_retention


def remove_old_runs(instance: dg.DagsterInstance, jobs: Sequence[str], before: datetime) -> int:
    """Remove runs of these jobs that ended before a moment (UTC); how many, a bounded number.

    Nothing is removed where Dagster's storage is not PostgreSQL: then it is not ours.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    wanted = {
        "jobs": list(jobs),
        "finished": list(_FINISHED),
        "before": before.timestamp(),
        "most": _MOST_RUNS,
    }
    with storage.index_connection() as connection:
        if connection.dialect.name != "postgresql":
            return 0
        old = connection.execute(sa.text(_OLD), wanted).scalars().all()
    deadline = time.monotonic() + _SECONDS
    for removed, run_id in enumerate(old):
        if time.monotonic() > deadline:
            return removed
        with storage.index_connection() as connection:
            connection.execute(sa.text(_FORGET_CHECKS), {"run_id": run_id})
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return len(old)
