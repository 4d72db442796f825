"""The sensors that ask for the late days of a layer to be made again, and say why each is late.

Which days are late is decided in `core/lateness.py`, from `etl_state` alone. A day is asked for
once for what its inputs are now: if a check refuses it, it waits for its inputs to change.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.lateness import Late
from etl_assets.core.partitions import WHOLE, Window, windows_of
from etl_assets.core.table import Layer
from etl_assets.core.wording import count_of
from etl_assets.demo.partner_folder import is_watched
from etl_assets.orchestration.failures import told_in_ticks
from etl_assets.orchestration.names import key_of, key_of_path
from etl_assets.orchestration.ranges import range_tags
from etl_assets.orchestration.started_by import SENSOR, started_by
from etl_assets.pipeline.platform import Platform

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


def sensors_are_on(settings: Settings) -> bool:
    """Whether the sensors work by themselves: where the source may change, and in no environment.

    The demo's databases never do; the folder of its partners is there to drop files into.
    """
    return settings.works_by_itself or (is_watched(settings) and not settings.environment)


def build_lateness_sensor(
    settings: Settings, catalog: Catalog, layer: Layer
) -> dg.SensorDefinition:
    """Looks every minute for late days of a layer; on by itself where the source may change."""
    status = dg.DefaultSensorStatus
    nothing_late = _Seen()
    tables = [table for table in catalog.values() if table.layer is layer]

    @dg.sensor(
        name=f"late_{layer}_days",
        target=dg.AssetSelection.assets(*map(key_of, tables)),
        minimum_interval_seconds=60,
        required_resource_keys={"platform"},
        default_status=status.RUNNING if sensors_are_on(settings) else status.STOPPED,
        description=f"Makes exactly the {layer} days again whose inputs were published since. The "
        "log of a tick says in one line what it asked for, and why.",
    )
    @told_in_ticks()
    def late(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        platform: Platform = context.resources.platform
        version = (
            platform.warehouse.seen.version()
        )  # before the states: what comes now is not missed
        newest_day = platform.settings.newest_day()
        if nothing_late.at(version, newest_day, context.cursor):
            return dg.SkipReason("Nothing was published since the last look.")
        found = [one for one in platform.late() if catalog[one.table].layer is layer]
        asked = json.loads(context.cursor) if context.cursor else {}
        now, asked = plan(found, asked, settings.sync.late_days)
        if not now:
            cursor = json.dumps(asked)
            context.update_cursor(cursor)
            nothing_late.note(version, newest_day, cursor)
            waiting = (
                f"; {count_of(len(found), 'day')} waiting for their inputs to change"
                if found
                else ""
            )
            return dg.SkipReason(f"No derived day is behind its inputs{waiting}.")
        context.log.info(told(now, len(found)))
        return dg.SensorResult(run_requests=_requests(now), cursor=json.dumps(asked))

    return late


class _Seen:
    """The warehouse and the day of the last look that found nothing to ask for.

    It lives as long as the code location: after a change of the tables all is looked at again, and
    so it is after the sensor's cursor was reset.
    """

    def __init__(self) -> None:
        self._seen: tuple[str, date, str] | None = None

    def note(self, version: str | None, newest_day: date, cursor: str) -> None:
        """Remember a look; a warehouse that cannot tell its version is looked at every time."""
        self._seen = None if version is None else (version, newest_day, cursor)

    def at(self, version: str | None, newest_day: date, cursor: str | None) -> bool:
        """Whether nothing was published since, and no day began."""
        return self._seen is not None and self._seen == (version, newest_day, cursor)


def told(asked: Sequence[Late], late: int) -> str:
    """In one line what a tick asks for and why: a table each, with the reason of its first day.

    `late` are all days that are behind their inputs, those that wait among them.
    """
    by_table: dict[str, list[Late]] = {}
    for one in sorted(asked):
        by_table.setdefault(one.table, []).append(one)
    tables = "; ".join(
        f"{table} {_span([one.day for one in days])} ({days[0].why})"
        for table, days in by_table.items()
    )
    rest = f"; {late - len(asked)} more wait" if late > len(asked) else ""
    return f"Asked for {tables}{rest}."[:_MOST]


def _span(days: Sequence[date]) -> str:
    if days[0] == WHOLE:
        return "as a whole"
    if len(days) == 1:
        return str(days[0])
    return f"{count_of(len(days), 'day')} from {days[0]} to {days[-1]}"


def _requests(late: Sequence[Late]) -> list[dg.RunRequest]:
    """A run for each table and span of neighbouring days; its tags say why."""
    by_table: dict[str, dict[date, str]] = {}
    for one in sorted(late):
        by_table.setdefault(one.table, {})[one.day] = one.why
    return [
        dg.RunRequest(
            asset_selection=[key_of_path(table)],
            tags={
                **range_tags(window),
                **started_by(SENSOR),
                "etl_assets/late": _why(window, why),
            },
        )
        for table, why in by_table.items()
        for window in windows_of(why)
    ]


def _why(window: Window, why: Mapping[date, str]) -> str:
    return "; ".join(f"{_shown(day)}{why[day]}" for day in window.days())[:_MOST]


def _shown(day: date) -> str:
    return "" if day == WHOLE else f"{day}: "


def _name(one: Late) -> str:
    return f"{one.table} {one.day}"
