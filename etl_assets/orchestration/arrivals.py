"""Arrivals that fail to come: the check `arrived` and its sensor.

Which day must be there, and whether it is, is decided in `core/arrivals.py` from `etl_state` alone.
The check is about what is missing, so that no run can record it: a run evaluates it after a load,
and the sensor when a day is due and nothing has come. The freshness policy is `freshness.py`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_assets.core.arrivals import verdict
from etl_assets.core.checks import ARRIVED, CheckResult
from etl_assets.core.due_days import due_day
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.checks import severity_of
from etl_assets.orchestration.metadata import evidence_metadata
from etl_assets.orchestration.names import key_of
from etl_assets.pipeline.platform import Platform


def build_arrival_check(table: LayerTable) -> dg.AssetChecksDefinition:
    """`arrived` as an op of its own, without partitions: it is about the newest day that is due."""

    @dg.multi_asset_check(
        name=f"{table.layer}__{table.name}__{ARRIVED.name}",
        specs=[
            dg.AssetCheckSpec(
                ARRIVED.name,
                asset=key_of(table),
                description=f"{ARRIVED.description} It keeps no day from being published.",
                metadata={"severity": str(ARRIVED.severity)},
            )
        ],
        required_resource_keys={"platform"},
    )
    def arrived(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        result = _look(context.resources.platform, table, datetime.now(UTC))
        return dg.AssetCheckResult(
            check_name=ARRIVED.name, asset_key=key_of(table), **_told(result)
        )

    return arrived


def build_arrivals_sensor(tables: Sequence[LayerTable]) -> dg.SensorDefinition:
    """`arrivals`: puts the check of these tables on record, a minute after a day was due.

    It starts no run. The warehouse is asked from the moment at which a day is due until it has
    arrived, and then only after something was published.
    """

    @dg.sensor(
        name="arrivals",
        minimum_interval_seconds=60,
        required_resource_keys={"platform"},
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says whether the days that must be there have arrived, by the check "
        f"`{ARRIVED.name}`.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        before = json.loads(context.cursor) if context.cursor else {}
        events, cursor = evaluate(context.resources.platform, tables, before, now)
        missing = [path for path, known in cursor.items() if not known["arrived"]]
        told = (
            f"Days are missing of {', '.join(missing)}."
            if missing
            else "All days that are due are there."
        )
        return dg.SensorResult(
            asset_events=events, cursor=json.dumps(cursor), skip_reason=dg.SkipReason(told)
        )

    return arrivals


Known = dict[str, dict[str, Any]]
"""What was last said of a table, by path: `due` (day), `arrived`, `missing` (days), `version`."""


def evaluate(
    platform: Platform, tables: Sequence[LayerTable], before: Known, now: datetime
) -> tuple[list[dg.AssetCheckEvaluation], Known]:
    """What is new to say at the moment `now`, and what was said then."""
    events, cursor = [], {}
    version: str | None = None
    asked = False
    for table in tables:
        assert table.expects is not None, table.path  # noqa: S101 - the caller chose
        known = before.get(table.path, {})
        due = due_day(now, table.expects).isoformat()
        cursor[table.path] = known
        if known.get("due") == due and known["arrived"]:
            continue
        if not asked:  # before the states: what is published meanwhile is looked at again
            version, asked = platform.warehouse.seen.version(), True
        if known.get("due") == due and version is not None and known["version"] == version:
            continue
        result = _look(platform, table, now)
        said = {
            "due": due,
            "arrived": result.passed,
            "missing": result.evidence.get("missing_days", 0),
        }
        if {**said, "version": known.get("version")} != known:
            events.append(
                dg.AssetCheckEvaluation(
                    asset_key=key_of(table), check_name=ARRIVED.name, **_told(result)
                )
            )
        cursor[table.path] = {**said, "version": version}
    return events, cursor


def _look(platform: Platform, table: LayerTable, now: datetime) -> CheckResult:
    return verdict(table, platform.scope, platform.warehouse.seen.state(table), now)


def _told(result: CheckResult) -> dict[str, Any]:
    return {
        "passed": result.passed,
        "severity": severity_of(result),
        "metadata": evidence_metadata(result.evidence),
        "description": result.evidence.get("what"),
    }
