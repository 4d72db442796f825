"""The days that exist, in Dagster's words."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.errors import PartitionError
from etl_assets.core.partitions import ONE_DAY, Window, parse_day
from etl_assets.core.scope import Scope
from etl_assets.core.table import Input, Layer

# Further back than any first day: a mapping to "every day until this one".
_ALL_EARLIER_DAYS = -36_500

# A policy for each layer, all different: so the daemon gives each layer runs of its own, and asks
# the next one for exactly the days that came out well (a verdict a day inside one backfill).
BACKFILL_POLICIES = {
    Layer.RAW: dg.BackfillPolicy.single_run(),
    Layer.STAGED: dg.BackfillPolicy.multi_run(100),
    Layer.ENRICHED: dg.BackfillPolicy.multi_run(90),
}


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """A partition a UTC day, from the first to the last day of the settings, or today."""
    end = settings.last_day + ONE_DAY if settings.last_day else None
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(),
        end_date=end.isoformat() if end else None,
        # Today is one too: what was synced of it is there to be seen, though the day goes on.
        end_offset=0 if end else 1,
        timezone="UTC",
    )


def mapping_of(given: Input) -> dg.TimeWindowPartitionMapping:
    """The same day, or every day up to it."""
    if given.all_days_until:
        return dg.TimeWindowPartitionMapping(
            start_offset=_ALL_EARLIER_DAYS, allow_nonexistent_upstream_partitions=True
        )
    return dg.TimeWindowPartitionMapping()


def days_of(keys: Sequence[str]) -> list[date]:
    """Partition keys as days, in order."""
    return sorted(parse_day(key) for key in keys)


def scope_of(settings: Settings) -> Scope:
    """The days that the platform has."""
    return Scope(settings.first_day, settings.last_day)


def check_window(window: Window, settings: Settings) -> None:
    """Raises PartitionError for days that are no partitions: too early, or in the future."""
    if window.first < settings.first_day:
        raise PartitionError(
            f"{window.first} is before the first day, {settings.first_day}.",
            "Set ETL_FIRST_DAY to an earlier day, or start later.",
        )
    newest = settings.newest_partition()
    if window.last > newest:
        raise PartitionError(
            f"{window.last} is not a partition yet: the newest day is {newest} (UTC).",
            f"End the range on {newest} or before.",
        )
