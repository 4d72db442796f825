"""The sensor that has late days made again: exactly those, so many a tick, and it says why.

Which days are late is decided in `core/lateness.py`, from `etl_state` alone. A day is asked for
once for what its inputs are now: if a check refuses it, it waits for its inputs to change.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.lateness import Late, late_days
from etl_assets.core.partitions import windows_of
from etl_assets.core.table import Layer
from etl_assets.orchestration.keys import key_of
from etl_assets.orchestration.partitions import scope_of
from etl_assets.orchestration.platform import Platform
from etl_assets.orchestration.ranges import RANGE_END, RANGE_START
from etl_assets.tables.registry import layer_tables

_MOST = 1000
Asked = Mapping[str, str]
"""What was asked for: `table day` to the digest that it was asked for."""


def plan(late: Iterable[Late], asked: Asked, most: int) -> tuple[list[Late], dict[str, str]]:
    """The days to ask for now, at most so many, oldest first; and what was asked for then.

    What is late no longer is forgotten.
    """
    known = {_name(one): one for one in late}
    waiting = {name: asked[name] for name, one in known.items() if asked.get(name) == one.wanted}
    fresh = [one for name, one in known.items() if name not in waiting]
    now = sorted(fresh, key=lambda one: one.day)[:most]
    return now, {**waiting, **{_name(one): one.wanted for one in now}}


def build_lateness_sensor(settings: Settings, layer: Layer) -> dg.SensorDefinition:
    """Looks every minute for late days of a layer; on by itself where the source is one's own."""
    status = dg.DefaultSensorStatus
    tables = [table for table in layer_tables().values() if table.layer is layer]

    @dg.sensor(
        name=f"late_{layer}_days",
        target=dg.AssetSelection.assets(*map(key_of, tables)),
        minimum_interval_seconds=60,
        required_resource_keys={"platform"},
        default_status=status.RUNNING if settings.database_url else status.STOPPED,
        description=f"Makes {layer} days again whose inputs were published since.",
    )
    def late(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        platform: Platform = context.resources.platform
        newest, scope = settings.newest_partition(), scope_of(settings)
        found = [
            one
            for one in late_days(layer_tables(), platform.warehouse.state())
            if layer_tables()[one.table].layer is layer and one.day <= newest and scope.has(one.day)
        ]
        asked = json.loads(context.cursor) if context.cursor else {}
        now, asked = plan(found, asked, settings.sync.late_days)
        if not now:
            context.update_cursor(json.dumps(asked))
            waiting = f"; {len(found)} days wait for their inputs to change" if found else ""
            return dg.SkipReason(f"No derived day is behind its inputs{waiting}.")
        return dg.SensorResult(run_requests=_requests(now), cursor=json.dumps(asked))

    return late


def _requests(late: Sequence[Late]) -> list[dg.RunRequest]:
    """A run for each table and span of neighbouring days; its tags say why."""
    by_table: dict[str, dict[date, str]] = {}
    for one in sorted(late):
        by_table.setdefault(one.table, {})[one.day] = one.why
    return [
        dg.RunRequest(
            asset_selection=[dg.AssetKey(table.split("/"))],
            tags={
                RANGE_START: window.first.isoformat(),
                RANGE_END: window.last.isoformat(),
                "etl_assets/late": "; ".join(f"{day}: {why[day]}" for day in window.days())[:_MOST],
            },
        )
        for table, why in by_table.items()
        for window in windows_of(why)
    ]


def _name(one: Late) -> str:
    return f"{one.table} {one.day}"
