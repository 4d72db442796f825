"""The days that exist, in Dagster's words."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.errors import PartitionError
from etl_assets.core.partitions import ONE_DAY, WHOLE, Window, parse_day
from etl_assets.core.table import Layer, LayerTable

# A policy for each layer, all different: so the daemon gives each layer runs of its own, and asks
# the next one for exactly the days that came out well (a verdict a day inside one backfill).
BACKFILL_POLICIES = {
    Layer.RAW: dg.BackfillPolicy.single_run(),
    Layer.STAGED: dg.BackfillPolicy.multi_run(100),
    Layer.ENRICHED: dg.BackfillPolicy.multi_run(90),
}


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """A partition a UTC day, from the first to the last day of the settings, today at most."""
    end = settings.last_day + ONE_DAY if settings.last_day else None
    today = datetime.now(UTC).date()
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(),
        end_date=end.isoformat() if end else None,
        # Today is one too: what was synced of it is there to be seen, though the day goes on.
        # Dagster never goes past `end_date` for it, and needs it where that is still to come.
        # Where the end is past, the offset leads back to it: the plots ask for the last partitions
        # before today, whatever `end_date` says, and would be empty.
        end_offset=1 if end is None or end > today else (end - today).days,
        timezone="UTC",
    )


def partitions_of(
    table: LayerTable, days: dg.PartitionsDefinition[str]
) -> dg.PartitionsDefinition[str] | None:
    """The days, or None for a table without days: its asset has no partitions."""
    return days if table.has_days else None


def mapping_of(table: LayerTable, above: LayerTable) -> dg.PartitionMapping | None:
    """Which partitions of the input `above` Dagster takes a partition of the table to be made of.

    The same day, whatever else is read (`inputs.py` says why); every day for a table without days;
    None for an input without days, which has no partitions.
    """
    if above.has_days and table.has_days:
        return dg.TimeWindowPartitionMapping()
    return every_day_of(above)


def every_day_of(table: LayerTable) -> dg.PartitionMapping | None:
    """What is without days is made of every day of the table; None if that has no days either."""
    return dg.AllPartitionMapping() if table.has_days else None


def days_of(keys: Sequence[str]) -> list[date]:
    """Partition keys as days, in order."""
    return sorted(parse_day(key) for key in keys)


def parts_of(table: LayerTable, context: dg.AssetExecutionContext) -> list[date]:
    """The days that a run loads of the table; `WHOLE` alone for a table without days."""
    return days_of(context.partition_keys) if table.has_days else [WHOLE]


def partition_of(day: date) -> str | None:
    """The partition key of a day; None for `WHOLE`, which is no partition in Dagster."""
    return None if day == WHOLE else day.isoformat()


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
