"""Who started a run: a tag that each run has, whether a person or the platform asked for it."""

from collections.abc import Mapping

import dagster as dg

STARTED_BY = "etl_assets/started_by"
TERMINAL, SCHEDULE, SENSOR, UI = "terminal", "schedule", "sensor", "UI"

_OF_DAGSTER = {
    "dagster/schedule_name": SCHEDULE,
    "dagster/sensor_name": SENSOR,
    "dagster/from_ui": UI,
}


def started_by(who: str) -> Mapping[str, str]:
    """The tag of a run that `who` asks for."""
    return {STARTED_BY: who}


def note_who_started(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> None:
    """Give the run the tag if it has none: the UI starts runs without us.

    A run that none of Dagster's own tags explains was asked for over its API.
    """
    tags = context.run.tags
    if STARTED_BY in tags:
        return
    who = next((who for tag, who in _OF_DAGSTER.items() if tag in tags), "Dagster's API")
    context.instance.add_run_tags(context.run_id, started_by(who))
