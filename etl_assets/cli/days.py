"""Days and moments as arguments, and the range of days that a command is about."""

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from etl_assets.core.errors import ConfigError, EtlError, PartitionError
from etl_assets.core.partitions import Window, parse_day

if TYPE_CHECKING:
    from etl_assets.config import Settings


class Day(click.ParamType[date]):
    """A UTC day, YYYY-MM-DD."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date; click's usage error for anything else."""
        try:
            return value if isinstance(value, date) else parse_day(value)
        except EtlError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType[datetime]):
    """A moment, ISO 8601; UTC where it says nothing else."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment in UTC; click's usage error for anything else."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment: write 2024-01-31T12:00.", param, ctx)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Place(click.ParamType[datetime | int]):
    """Where a sync goes on: a moment, or a whole number for a cursor that is a version."""

    name = "moment or version"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | int:
        """The number, or the moment in UTC; click's usage error for anything else."""
        # Eight digits are a date in ISO 8601, too; whether it is one is for the table's cursor.
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"-?\d+", value)):
            return int(value)
        return Moment().convert(value, param, ctx)


def window_of(settings: "Settings", first: date | None, last: date | None) -> Window:
    """The days from `first` (None: the platform's first) to `last` (None: the newest that is over).

    Raises ConfigError or PartitionError, which name what was given: an option or ETL_FIRST_DAY.
    """
    start, end = first or settings.first_day, last or settings.newest_day()
    newest = settings.newest_partition()
    if settings.first_day > newest:
        raise ConfigError(
            f"ETL_FIRST_DAY ({settings.first_day}) is after the newest day, {newest} (UTC): the "
            "platform has no day yet.",
            "Set ETL_FIRST_DAY to the first day of the data.",
        )
    if end < start and last is None:
        raise PartitionError(
            f"{start} is after {end}, the newest day that is over (UTC).",
            f"Start earlier, or write --to {newest} for the day that is not over.",
        )
    if end < start and first is None:
        raise PartitionError(
            f"{end} is before the first day, {start}.",
            "Set ETL_FIRST_DAY to an earlier day, or end the range later.",
        )
    return Window(start, end)
