"""Syncs and reconciliations from a terminal: the same jobs that the schedules start."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import dagster as dg

from etl_assets.core.table import LayerTable
from etl_assets.orchestration.backfill import QUIET, BackfillResult, home_instance
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.derive import derive_late_days
from etl_assets.orchestration.failures import raise_if_interrupted
from etl_assets.orchestration.lateness import sensors_are_on
from etl_assets.orchestration.started_by import TERMINAL, started_by
from etl_assets.orchestration.syncs import RECONCILE_JOB, SYNC_JOB, op_name
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.reconcile import Reconciliation
from etl_assets.pipeline.sync_report import SyncReport

T = TypeVar("T")
_SENSORS, _HEARTBEAT_SECONDS = "SENSOR", 120
Failures = Mapping[str, str]
"""The message of each op that failed for good, by its name."""


@dataclass
class Synced:
    """What a sync came to: a report a table, messages by op, and the derived days, if any were."""

    reports: list[SyncReport] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    derived: BackfillResult = field(default_factory=BackfillResult)


def run_sync(
    platform: Platform,
    tables: Sequence[LayerTable],
    *,
    derive: bool | None,
    idle: Collection[str] = (),
) -> Synced:
    """`sync_tables` on the instance of ETL_HOME."""
    with home_instance(platform.settings) as instance:
        return sync_tables(platform, tables, instance, derive=derive, idle=idle)


def sync_tables(
    platform: Platform,
    tables: Sequence[LayerTable],
    instance: dg.DagsterInstance,
    *,
    derive: bool | None,
    idle: Collection[str] = (),
) -> Synced:
    """Sync the tables until they have caught up, then make the late days of what is made of them.

    Those that are `idle` have nothing to be synced, and get no part in the run and no report.
    `derive` None leaves that to the sensors of a running `etl-assets dev`, if there is one.
    """
    synced = Synced()
    platform.on_sync = _also(synced.reports.append, platform.on_sync)
    platform.on_failure = synced.failures.__setitem__
    busy = [table for table in tables if table.path not in idle]
    if busy:
        run_job(platform, SYNC_JOB, busy, instance)
    if derive or (derive is None and not _sensors_run(platform, instance)):
        derived = platform.catalog.downstream_of(table.path for table in tables)
        synced.derived = derive_late_days(platform, derived, instance)
    return synced


def _sensors_run(platform: Platform, instance: dg.DagsterInstance) -> bool:
    """Whether a Dagster daemon makes late days."""
    heartbeat = instance.get_daemon_heartbeats().get(_SENSORS)
    alive = heartbeat and time.time() - heartbeat.timestamp < _HEARTBEAT_SECONDS
    return bool(alive) and sensors_are_on(platform.settings)


def run_reconcile(
    platform: Platform, tables: Sequence[LayerTable], *, repair: bool, confirm_deletes: bool
) -> tuple[list[SyncReport], list[Reconciliation], Failures]:
    """Sync, compare and, if asked to, repair the tables; what came of each."""
    reports: list[SyncReport] = []
    found: list[Reconciliation] = []
    failures: dict[str, str] = {}
    platform.on_sync = _also(reports.append, platform.on_sync)
    platform.on_reconciled = _also(found.append, platform.on_reconciled)
    platform.on_failure = failures.__setitem__
    config = {"repair": repair, "confirm_deletes": confirm_deletes}
    with home_instance(platform.settings) as instance:
        run_job(platform, RECONCILE_JOB, tables, instance, config)
    return reports, found, failures


def _also(first: Callable[[T], None], then: Callable[[T], None]) -> Callable[[T], None]:
    """Tell both: who started the command may show what has come so far."""

    def both(one: T) -> None:
        first(one)
        then(one)

    return both


def run_job(
    platform: Platform,
    job: str,
    tables: Sequence[LayerTable],
    instance: dg.DagsterInstance,
    config: Mapping[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    """One run of a job's ops of these tables, in this process.

    Nothing is raised for a failure, and KeyboardInterrupt where Ctrl-C has ended the run.
    """
    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    ops = [op_name(table, job) for table in tables]
    executed = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        op_selection=ops,
        raise_on_error=False,
        tags=started_by(TERMINAL),
        run_config={**QUIET, "ops": {op: {"config": config} for op in ops} if config else {}},
    )
    raise_if_interrupted(executed, instance)
    return executed
