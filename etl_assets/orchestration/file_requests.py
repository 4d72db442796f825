"""What a sensor of files asks for, and what it remembers from one tick to the next. Pure.

Without the memory nothing is lost: days may be asked for once more, and the sweep begins anew.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from etl_assets.core.lateness import Late
from etl_assets.core.partitions import WHOLE
from etl_assets.pipeline.file_days import FilesLook
from etl_assets.pipeline.file_watch import Watch

_FIRST_PAUSE, _MOST_TIMES = timedelta(minutes=1), 8
_LONGEST_SETTLING = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """What was asked for a day: the objects (`wanted`), how often, and when last (UTC)."""

    wanted: str
    times: int
    at: datetime

    def may_be_asked_again(self, now: datetime, *, for_ever: bool = False) -> bool:
        """Whether the pause is over, which doubles with each time.

        After eight times it is never over, or `for_ever` as long as then.
        """
        pause = _FIRST_PAUSE * 2 ** (min(self.times, _MOST_TIMES) - 1)
        return (for_ever or self.times < _MOST_TIMES) and now >= self.at + pause


def plan(
    late: Sequence[Late],
    asked: Mapping[str, Asked],
    most: int,
    now: datetime,
    whole: Collection[date] | None = None,
) -> tuple[list[Late], dict[str, Asked]]:
    """The days to ask for now, oldest first and at most so many; and what was asked for then.

    A day that was asked for its objects of now is asked for again after a pause, because its run
    has failed; other objects are asked for at once. What is late no longer is forgotten. `whole`
    are the days that all objects were listed of, None for all: what is known of any other is not
    the same each time, so that it is asked for after the pause whatever its objects are.
    """
    known = {str(one.day): one for one in late}
    seen = None if whole is None else set(map(str, whole))
    kept = {
        day: one
        for day, one in asked.items()
        if (seen is not None and day not in seen)
        or (day in known and one.wanted == known[day].wanted)
    }
    fresh = [
        one
        for day, one in known.items()
        if day not in kept
        or kept[day].may_be_asked_again(now, for_ever=seen is not None and day not in seen)
    ]
    chosen = sorted(fresh, key=lambda one: one.day)[:most]
    for one in chosen:
        before = kept.get(str(one.day))
        kept[str(one.day)] = Asked(one.wanted, before.times + 1 if before else 1, now)
    return chosen, kept


def plan_reading(
    look: FilesLook,
    before: Mapping[str, Asked],
    asked: Mapping[str, Asked],
    now: datetime,
    *,
    may: bool,
) -> tuple[Sequence[Late], Mapping[str, Asked]]:
    """What to ask for of `look.to_read`, nothing unless it `may`; and `asked` with that.

    `before` is what the last tick has remembered. It is asked for as a day is: its day is `WHOLE`.
    """
    known = {day: one for day, one in before.items() if look.to_read and day == str(WHOLE)}
    reading, told = plan(look.to_read, known, int(may), now, whole=look.whole)
    return reading, {**asked, **told}


@dataclass(frozen=True)
class Memory:
    """What the cursor holds: what was asked for, where the listing goes on, and days to list again.

    `late` are days that were found late and are not known to be loaded since, `settling` since when
    days wait for their objects to settle (UTC). Both are listed again whatever the sweep does.
    """

    asked: Mapping[str, Asked] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    late: Sequence[date] = ()
    settling: Mapping[date, datetime] = field(default_factory=dict)

    def days_to_list(self, most: int, now: datetime) -> list[date]:
        """Those of the days that could be asked for now, at most so many late ones."""
        could = [
            day
            for day in self.late
            if str(day) not in self.asked or self.asked[str(day)].may_be_asked_again(now)
        ]
        return sorted({*could[:most], *self.settling})

    def patient(self, look: FilesLook, now: datetime) -> FilesLook:
        """The look, with the days as late that have waited long for their objects to settle."""
        due = {
            one
            for one in look.settling
            if self.settling.get(one.day, now) + _LONGEST_SETTLING <= now
        }
        waiting = [one for one in look.settling if one not in due]
        return replace(look, late=sorted([*look.late, *due]), settling=waiting)

    def after(
        self, look: FilesLook, watch: Watch, asked: Mapping[str, Asked], now: datetime
    ) -> "Memory":
        """What is remembered after a tick; `look` as `patient` has it."""
        late = {day for day in self.late if day not in look.whole}
        late |= {one.day for one in look.late}
        settling = {one.day: self.settling.get(one.day, now) for one in look.settling}
        return Memory(asked, watch, sorted(late), settling)

    def to_cursor(self) -> str:
        """As text."""
        return json.dumps(
            {
                "asked": {
                    day: [one.wanted, one.times, one.at.isoformat()]
                    for day, one in self.asked.items()
                },
                "watch": self.watch.to_json(),
                "late": [day.isoformat() for day in self.late],
                "settling": {day.isoformat(): at.isoformat() for day, at in self.settling.items()},
            }
        )

    @staticmethod
    def from_cursor(cursor: str | None) -> "Memory":
        """The same, read again; of a text that another release wrote nothing is kept."""
        try:
            found = json.loads(cursor or "{}")
            return Memory(
                {
                    day: Asked(wanted, times, datetime.fromisoformat(at))
                    for day, (wanted, times, at) in found["asked"].items()
                },
                Watch.from_json(found["watch"]),
                [date.fromisoformat(day) for day in found["late"]],
                {
                    date.fromisoformat(day): datetime.fromisoformat(at)
                    for day, at in found["settling"].items()
                },
            )
        except (LookupError, TypeError, ValueError, AttributeError):
            return Memory()
