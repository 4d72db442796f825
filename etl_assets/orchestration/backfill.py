"""Backfills from a terminal: the same runs that the UI starts, in this process, layer by layer.

A layer is run for exactly the days whose upstream days came out well, so that one bad day costs
its own descendants and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from etl_assets.config import Settings
from etl_assets.core.partitions import Window, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.failures import raise_if_interrupted
from etl_assets.orchestration.platform import Platform
from etl_assets.orchestration.ranges import RANGE_END, RANGE_START
from etl_assets.tables.registry import layer_tables

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config for a terminal: what matters is in the result and in the event log."""


@dataclass
class BackfillResult:
    """What came of it: the days that each table got, did not get and was spared, and why not."""

    done: dict[str, set[date]] = field(default_factory=dict)
    failed: dict[str, set[date]] = field(default_factory=dict)
    skipped: dict[str, set[date]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether every table got every day."""
        return not (any(self.failed.values()) or any(self.skipped.values()))


def backfill(
    platform: Platform, paths: Iterable[str], window: Window, instance: dg.DagsterInstance
) -> BackfillResult:
    """Load these tables for these days, layer by layer; what is downstream of a failure is skipped.

    Errors of a run are in the result's messages; only what keeps Dagster from running is raised.
    """
    definitions = build_definitions(platform.settings, {"platform": platform})
    wanted = [table for path, table in layer_tables().items() if path in set(paths)]
    result = BackfillResult()
    for _, layer in groupby(_by_depth(wanted), key=lambda pair: pair[0]):
        plan: dict[tuple[date, ...], list[LayerTable]] = {}
        for _, table in layer:
            days = _buildable(table, window, result)
            result.skipped[table.path] = set(window.days()) - set(days)
            plan.setdefault(tuple(days), []).append(table)
        for shared, tables in plan.items():
            for part in windows_of(shared):
                _run(definitions, instance, tables, part, result)
    return result


def run_range(
    definitions: dg.Definitions, instance: dg.DagsterInstance, paths: Sequence[str], window: Window
) -> dg.ExecuteInProcessResult:
    """One run of these assets over a range of days."""
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(path.split("/")) for path in paths],
        raise_on_error=False,
        tags={RANGE_START: window.first.isoformat(), RANGE_END: window.last.isoformat()},
        run_config=QUIET,
    )


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    tables: Sequence[LayerTable],
    window: Window,
    result: BackfillResult,
) -> None:
    paths = [table.path for table in tables]
    executed = run_range(definitions, instance, paths, window)
    raise_if_interrupted(executed, instance)  # Ctrl-C ends the backfill, not only this run
    for path in paths:
        result.done.setdefault(path, set())
    for event in executed.all_events:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION and event.partition:
            assert event.asset_key is not None  # noqa: S101 - a materialisation has one
            done = result.done.get("/".join(event.asset_key.path))
            if done is not None:  # versions are materialised beside their table
                done.add(date.fromisoformat(event.partition))
        if event.event_type is DagsterEventType.STEP_FAILURE:
            result.messages.append(_message(event))
    for path in paths:
        result.failed.setdefault(path, set()).update(set(window.days()) - result.done[path])


def _message(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    error = data.error
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    while error and error.cause:
        error = error.cause
    if error is None:
        return f"{event.step_key} failed."
    kind, _, told = error.message.strip().partition(": ")
    # An IO manager's error comes with its class in front; ours say all in their words.
    return told if kind.startswith("etl_assets.") else f"{event.step_key}: {kind}: {told}"


def _by_depth(tables: Sequence[LayerTable]) -> list[tuple[int, LayerTable]]:
    """Tables with how far they are from a source, nearest first: one depth can share a run."""
    known = layer_tables()

    def depth(table: LayerTable) -> int:
        return 1 + max((depth(known[given.asset]) for given in table.inputs.values()), default=0)

    return sorted(((depth(table), table) for table in tables), key=lambda pair: pair[0])


def _buildable(table: LayerTable, window: Window, result: BackfillResult) -> list[date]:
    """The days of the window of which no upstream day went wrong in this backfill."""
    bad: set[date] = set()
    for given in table.inputs.values():
        missing = _missing(given.asset, (result.failed, result.skipped))
        if given.all_days_until and missing:
            bad |= {day for day in window.days() if day >= min(missing)}
        bad |= missing
    return [day for day in window.days() if day not in bad]


def _missing(path: str, where: Iterable[Mapping[str, set[date]]]) -> set[date]:
    return {day for days in where for day in days.get(path, set())}


def home_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of the repository's dagster.yaml, with its logs under ETL_HOME."""
    return dg.DagsterInstance.from_config(str(dagster_home(settings)))


def dagster_home(settings: Settings) -> Path:
    """The folder to use as DAGSTER_HOME: it holds the repository's dagster.yaml."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    ours = (Path(__file__).parents[2] / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(ours, encoding="utf-8")
    return home
