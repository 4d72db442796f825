"""Syncs and reconciliations from a terminal: the same jobs that the schedules start."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.backfill import QUIET, home_instance
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.failures import raise_if_interrupted
from etl_assets.orchestration.platform import Platform
from etl_assets.orchestration.syncs import RECONCILE_JOB, SYNC_JOB, SyncReport, op_name
from etl_assets.pipeline.reconcile import Reconciliation

Failures = Mapping[str, str]
"""The message of each op that failed for good, by its name."""


def run_sync(settings: Settings, tables: Sequence[LayerTable]) -> tuple[list[SyncReport], Failures]:
    """Sync the tables until they have caught up; a report for each that did."""
    reports: list[SyncReport] = []
    failures: dict[str, str] = {}
    platform = Platform(settings, on_sync=reports.append, on_failure=failures.__setitem__)
    with home_instance(settings) as instance:
        run_job(platform, SYNC_JOB, tables, instance)
    return reports, failures


def run_reconcile(
    settings: Settings, tables: Sequence[LayerTable], *, repair: bool, confirm_deletes: bool
) -> tuple[list[SyncReport], list[Reconciliation], Failures]:
    """Sync, compare and, if asked to, repair the tables; what came of each."""
    reports: list[SyncReport] = []
    found: list[Reconciliation] = []
    failures: dict[str, str] = {}
    platform = Platform(
        settings,
        on_sync=reports.append,
        on_reconciled=found.append,
        on_failure=failures.__setitem__,
    )
    config = {"repair": repair, "confirm_deletes": confirm_deletes}
    with home_instance(settings) as instance:
        run_job(platform, RECONCILE_JOB, tables, instance, config)
    return reports, found, failures


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
    definitions = build_definitions(platform.settings, {"platform": platform})
    ops = [op_name(table, job) for table in tables]
    executed = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        op_selection=ops,
        raise_on_error=False,
        run_config={**QUIET, "ops": {op: {"config": config} for op in ops} if config else {}},
    )
    raise_if_interrupted(executed, instance)
    return executed
