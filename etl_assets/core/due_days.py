"""On which days something must arrive, and by which moment: the calendar of an `Arrival`. Pure.

Whether it has arrived is `core/arrivals.py`.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.policies import Arrival

_MOST_AFTER = 31
_A_YEAR = [date(2024, month, day) for month in range(1, 13) for day in (1, 15)]
"""Days with every offset from UTC that a zone has in a year."""


def is_expected(day: date, expects: Arrival) -> bool:
    """Whether anything is expected of that day."""
    return expects.every == "day" or day.weekday() < 5


def due_at(day: date, expects: Arrival) -> datetime:
    """The moment (UTC) by which the day must be there.

    Of a time that a clock change repeats, the later moment counts; a time that it leaves out is the
    moment at which the clock would have shown it without the change.
    """
    clock = datetime.combine(day + expects.days_after * ONE_DAY, expects.by, ZoneInfo(expects.zone))
    return max(clock.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def due_day(now: datetime, expects: Arrival) -> date:
    """The newest day that must be there at the moment `now`, whatever days the platform has."""
    day = now.astimezone(UTC).date() + ONE_DAY
    while not is_expected(day, expects) or due_at(day, expects) > now:
        day -= ONE_DAY
    return day


def time_to_arrive(expects: Arrival) -> timedelta:
    """The longest time from the begin of a UTC day, when it can be loaded first, until it is due.

    Zones that change their clocks have two; at most one day, at least a minute.
    """
    spans = [due_at(day, expects) - datetime.combine(day, time(), UTC) for day in _A_YEAR]
    return max(min(max(spans), ONE_DAY), timedelta(minutes=1))


def deadline_cron(expects: Arrival) -> str:
    """The moments at which a day is due as a cron line, on the clock of the zone."""
    weekdays = "*"
    if expects.every == "weekday":
        weekdays = ",".join(
            str(n) for n in sorted((d + expects.days_after) % 7 for d in range(1, 6))
        )
    return f"{expects.by.minute} {expects.by.hour} * * {weekdays}"


def wrong_with(expects: Arrival, *, has_days: bool) -> Iterator[tuple[str, str]]:
    """What cannot be in an `Arrival`, and what to write instead."""
    if not has_days:
        yield "the table has no days that could be missing.", "Leave expects out."
    if not isinstance(expects.by, time) or expects.by != _minute(expects.by):
        yield "by is no time of day in whole minutes.", "Write time(6) or time(6, 30)."
        return
    if not _counts(expects.rows):
        yield "rows counts rows.", "Write a whole number from 0 on."
    if expects.every not in ("day", "weekday"):
        yield f"every is {expects.every!r}.", 'Write "day" or "weekday".'
    if not _counts(expects.days_after) or expects.days_after > _MOST_AFTER:
        yield "days_after counts days.", f"Write a whole number from 0 to {_MOST_AFTER}."
        return
    try:
        ZoneInfo(expects.zone)
    except (KeyError, ValueError, OSError, TypeError):  # what is no zone is no file either
        yield f"there is no time zone {expects.zone!r}.", 'Write one like "Europe/Berlin".'
        return
    begins = [datetime.combine(day, time(), UTC) for day in _A_YEAR]
    if any(due_at(begin.date(), expects) <= begin for begin in begins):
        hour = max(begin.astimezone(ZoneInfo(expects.zone)).time() for begin in begins)
        yield (
            f"{expects.by:%H:%M} in {expects.zone} is before the UTC day begins, from when on the "
            "platform loads it.",
            f"Write a time after {hour:%H:%M}, or days_after=1.",
        )


def _counts(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _minute(moment: time) -> time:
    return time(moment.hour, moment.minute)
