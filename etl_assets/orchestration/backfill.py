"""Backfills from a terminal: the same runs that the UI starts, in this process, layer by layer.

A layer is run for exactly the days whose upstream days came out well, so that one bad day costs
its own descendants and nothing else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from etl_assets.config import Settings
from etl_assets.core.keeping import CLOSED_TAG, LOAD_CLOSED, closed_days
from etl_assets.core.partitions import WHOLE, Window, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.expected_days import ExpectedDays
from etl_assets.orchestration.failures import raise_if_interrupted
from etl_assets.orchestration.names import key_of_path, path_of
from etl_assets.orchestration.ranges import range_tags
from etl_assets.orchestration.started_by import TERMINAL, started_by
from etl_assets.orchestration.unchanged import NOT_MADE, UNCHANGED
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.unchanged import FORCE, FORCE_TAG

INSTANCE_FILE = Path(__file__).parent / "dagster.yaml"
"""What Dagster's instance is, for every way to start it."""

WORKSPACE_FILE = Path(__file__).parent / "workspace.yaml"
"""Where Dagster finds the code location."""

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config for a terminal: what matters is in the result and in the event log."""


@dataclass
class BackfillResult:
    """What came of it: the days that each table got, did not get and was spared, those that are
    published and closed although they were named, and why not. Of those that it got some may be
    `unchanged`: nothing was published of them. Of these some are `not_made`, because nothing that
    they are made of changed; the others were loaded, and are what is published."""

    done: dict[str, set[date]] = field(default_factory=dict)
    failed: dict[str, set[date]] = field(default_factory=dict)
    skipped: dict[str, set[date]] = field(default_factory=dict)
    closed: dict[str, set[date]] = field(default_factory=dict)
    unchanged: dict[str, set[date]] = field(default_factory=dict)
    not_made: dict[str, set[date]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether every table got every day."""
        left = (self.failed, self.skipped, self.closed)
        return not any(days for by_table in left for days in by_table.values())

    def add(self, other: "BackfillResult") -> None:
        """Take over what came of other days."""
        for mine, theirs in (
            (self.done, other.done),
            (self.failed, other.failed),
            (self.skipped, other.skipped),
            (self.closed, other.closed),
            (self.unchanged, other.unchanged),
            (self.not_made, other.not_made),
        ):
            for path, days in theirs.items():
                mine.setdefault(path, set()).update(days)
        self.messages += other.messages


def backfill(
    platform: Platform,
    paths: Iterable[str],
    window: Window,
    instance: dg.DagsterInstance,
    *,
    every_day: bool = True,
    even_closed: bool = False,
    force: bool = False,
    expected: ExpectedDays | None = None,
) -> BackfillResult:
    """Load these tables for these days, layer by layer; what is downstream of a failure is skipped.

    Days of a derived table that its inputs have not published cannot be made: they failed, or with
    `every_day` False, for a range that nobody named, they are passed over; but where that leaves
    none, and the input is not loaded here as well, they failed too. Published days that are closed
    are passed over likewise, unless `even_closed`. Derived days of which nothing changed are not
    made again, unless with `force`. A table without days is loaded whole. Errors of a run are in
    the result's messages; only what keeps Dagster from running is raised. `expected` is told of the
    days of each table.
    """
    result = BackfillResult()
    wanted = set(paths)

    def days_of(table: LayerTable) -> list[date]:
        whole = list(window.days()) if table.has_days else [WHOLE]
        spared = _downstream_of_failures(table, whole, result)
        result.skipped[table.path] = spared
        asked = [day for day in whole if day not in spared]
        missing = _unpublished(platform, table, asked)
        unmakeable = {day for days in missing.values() for day in days}
        for path, days in missing.items():
            loaded = platform.catalog.publisher_of(path)
            if every_day or (days == asked and loaded not in wanted):
                result.failed.setdefault(table.path, set()).update(days)
                above = platform.catalog.published(path)
                result.messages.append(_unpublished_told(table, above, loaded, days))
        closed = set() if even_closed else platform.closed_days(table, whole)
        if closed and every_day:
            result.closed[table.path] = closed
            result.messages.append(str(closed_days(table, closed)))
        elif closed:
            platform.on_note(str(closed_days(table, closed)))
        left = [day for day in whole if day not in spared | unmakeable | closed]
        if expected is not None:
            expected.settle(table, window, left)
        return left

    tags = {CLOSED_TAG: LOAD_CLOSED} if even_closed else {}
    tags |= {FORCE_TAG: FORCE} if force else {}
    make_by_layer(platform, wanted, instance, days_of, result, tags)
    return result


def make_by_layer(
    platform: Platform,
    paths: Collection[str],
    instance: dg.DagsterInstance,
    days_of: Callable[[LayerTable], Sequence[date]],
    result: BackfillResult,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Run these tables, upstream first, each for the days that `days_of` says when its turn comes.

    The runs get these `tags` as well. Tables as far from a source as each other share their runs.
    """
    catalog = platform.catalog

    def depth(table: LayerTable) -> int:
        return catalog.depth(table.path)

    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    wanted = sorted((table for path, table in catalog.items() if path in paths), key=depth)
    for _, layer in groupby(wanted, key=depth):
        plan: dict[tuple[date, ...], list[LayerTable]] = {}
        for table in layer:
            plan.setdefault(tuple(days_of(table)), []).append(table)
        for shared, tables in plan.items():
            for part in windows_of(shared):
                _run(definitions, instance, tables, part, result, tags or {})


def run_range(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    paths: Sequence[str],
    window: Window,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """One run of these assets over a range of days, with these tags as well."""
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[key_of_path(path) for path in paths],
        raise_on_error=False,
        tags={**range_tags(window), **started_by(TERMINAL), **(tags or {})},
        run_config=QUIET,
    )


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    tables: Sequence[LayerTable],
    window: Window,
    result: BackfillResult,
    tags: Mapping[str, str],
) -> None:
    paths = [table.path for table in tables]
    executed = run_range(definitions, instance, paths, window, tags)
    raise_if_interrupted(executed, instance)  # Ctrl-C ends the backfill, not only this run
    for path in paths:
        result.done.setdefault(path, set())
    for event in executed.all_events:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            assert event.asset_key is not None  # noqa: S101 - a materialisation has one
            done = result.done.get(path_of(event.asset_key))
            if done is not None:  # versions are materialised beside their table
                day = date.fromisoformat(event.partition) if event.partition else WHOLE
                done.add(day)
                _note_unchanged(result, event, day)
        if event.event_type is DagsterEventType.STEP_FAILURE:
            result.messages.append(_message(event))
    for path in paths:
        result.failed.setdefault(path, set()).update(set(window.days()) - result.done[path])


def _note_unchanged(result: BackfillResult, event: dg.DagsterEvent, day: date) -> None:
    metadata = event.step_materialization_data.materialization.metadata
    if UNCHANGED not in metadata or event.asset_key is None:
        return
    path = path_of(event.asset_key)
    result.unchanged.setdefault(path, set()).add(day)
    if metadata["why"].value == NOT_MADE:
        result.not_made.setdefault(path, set()).add(day)


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


def _downstream_of_failures(
    table: LayerTable, days: Sequence[date], result: BackfillResult
) -> set[date]:
    """The days of which an upstream day went wrong in this backfill."""
    bad: set[date] = set()
    for given in table.inputs.values():
        missing = _missing(given.asset, (result.failed, result.skipped))
        bad |= {day for day in days if given.reads_any(day, missing)}
    return bad


def _unpublished(
    platform: Platform, table: LayerTable, days: Sequence[date]
) -> Mapping[str, list[date]]:
    """By input the days of the table that cannot be made because that input has not got them."""
    found: dict[str, list[date]] = {}
    for above in platform.catalog.inputs_of(table).values() if days else ():
        published = {state.partition_key for state in platform.warehouse.seen.state(above)}
        if table.has_days and above.has_days:
            found[above.path] = [day for day in days if day not in published]
        elif not published:
            found[above.path] = list(days)
    return {path: missing for path, missing in found.items() if missing}


def _unpublished_told(
    table: LayerTable, above: LayerTable, loaded: str, days: Sequence[date]
) -> str:
    """One sentence for all of the days, however many; `loaded` is what publishes the input."""
    if not (table.has_days and above.has_days):
        why = f"{above.path} is not published, and {table.path} is made of it."
        return f"{why} Load it first: etl-assets backfill {loaded}."
    first, last = min(days), max(days)
    command = f"etl-assets backfill {loaded} --from {first} --to {last}."
    if len(days) == 1:
        return (
            f"{above.path} {first} is not published, and {table.path} is made of it. "
            f"Load it first: {command}"
        )
    return (
        f"{above.path}: {count_of(len(days), 'day')} from {first} to {last} are not published, and "
        f"{table.path} is made of them. Load them first: {command}"
    )


def _missing(path: str, where: Iterable[Mapping[str, set[date]]]) -> set[date]:
    return {day for days in where for day in days.get(path, set())}


def home_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of this package's dagster.yaml, with its logs under ETL_HOME."""
    return dg.DagsterInstance.from_config(str(dagster_home(settings)))


def dagster_home(settings: Settings) -> Path:
    """The folder to use as DAGSTER_HOME: it holds the `dagster.yaml` of this package."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    (home / INSTANCE_FILE.name).write_text(INSTANCE_FILE.read_text(encoding="utf-8"), "utf-8")
    return home
