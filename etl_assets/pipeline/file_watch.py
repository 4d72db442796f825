"""What a sensor of files lists at a tick: some days at once, and a part of the sweep over the rest.

A listing has a time; what it does not come to is done at the next tick. All that is remembered is
where to go on: without it the sweep begins anew. Which days are late is `file_days.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.source_specs import Files
from etl_assets.core.wording import count_of
from etl_assets.sources.files.listing import Listing, placed
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.spans import Span
from etl_assets.sources.files.store import PAGE, ObjectStore
from etl_assets.sources.files.walk import IsOver, walk, without_a_part_of_a_day

Folder = tuple[str, str | None]
"""A folder, and the key in it that was listed last; None where it is listed from its start."""


@dataclass(frozen=True)
class Sweep:
    """A sweep over all keys: when it began (UTC), its last key and how many keys it has seen.

    `is_over` says whether it came to the end, `walks` in how many ticks.
    """

    began: datetime
    after: str | None = None
    keys: int = 0
    walks: int = 0
    is_over: bool = False

    def told(self) -> str:
        """How far it is, for the tick; nothing where it took one tick."""
        if not self.is_over:
            return f"Swept {count_of(self.keys, 'key')} so far."
        return (
            f"Swept all {count_of(self.keys, 'key')} in {count_of(self.walks, 'tick')}."
            if self.walks > 1
            else ""
        )


@dataclass(frozen=True)
class Watch:
    """What is remembered of the last tick: folders that there was no time for, and the sweep."""

    rest: Sequence[Folder] = ()
    sweep: Sweep | None = None

    def to_json(self) -> Any:
        """For the cursor."""
        sweep = self.sweep
        told = sweep and [sweep.began.isoformat(), sweep.after, sweep.keys, sweep.walks]
        return [list(self.rest), told, bool(sweep and sweep.is_over)]

    @staticmethod
    def from_json(found: Any) -> "Watch":
        """The same, read again."""
        rest, sweep, is_over = found
        if sweep:
            began, after, keys, walks = sweep
            sweep = Sweep(datetime.fromisoformat(began), after, keys, walks, is_over)
        return Watch(tuple((folder, after) for folder, after in rest), sweep)


@dataclass(frozen=True)
class Times:
    """When to sweep, and until when to list: `half_over` is where the sweep has the other half."""

    now: datetime
    period: timedelta
    is_over: IsOver
    half_over: IsOver


@dataclass(frozen=True)
class Watched:
    """The listing of a tick, what is to be remembered of it, and how far the sweep is."""

    listing: Listing
    watch: Watch
    told: str


def recent_days(newest: date, number: int) -> list[date]:
    """The last days up to `newest`, that one first."""
    return [newest - number_back * ONE_DAY for number_back in range(number)]


def next_listing(
    store: ObjectStore,
    source: Files,
    days: Iterable[date],
    watch: Watch,
    times: Times,
    *,
    has_days: bool,
) -> Watched:
    """List the folders of the days, and as much of the sweep as there is time for, if one is due.

    Where the last sweep took one tick alone, the next one shows all days, and no folder is listed
    beside it. A sweep that asks the store for no more than the folders would is always due.
    Raises SourceUnavailable and SourceError; then nothing of the tick is remembered.
    """
    folders = [one for day in days for one in source.folders_of(day)]
    always = not has_days or not source.keys.day_folder or _is_cheap(watch.sweep, len(folders))
    sweep = _due(watch.sweep, times, always=always)
    queue = _queue(watch.rest, folders)
    if not has_days or (sweep and not sweep.walks and _was_quick(watch.sweep)):
        queue = []
    spans: list[Span] = []
    objects: list[StoredObject] = []
    is_over = times.half_over if sweep else times.is_over
    while queue and not (spans and is_over()):
        folder, after = queue.pop(0)
        walked = walk(store, folder, after, is_over)
        spans.append(walked.span)
        objects.extend(walked.objects)
        if walked.span.through is not None:
            queue.insert(0, (folder, walked.span.through))
    told = ""
    if sweep is not None:
        walked = walk(store, source.keys.prefix, sweep.after, times.is_over)
        walked = without_a_part_of_a_day(walked, source) if has_days else walked
        spans.append(walked.span)
        objects.extend(walked.objects)
        sweep = replace(
            sweep,
            after=walked.span.through,
            keys=sweep.keys + len(walked.objects),
            walks=sweep.walks + 1,
            is_over=walked.is_at_end,
        )
        told = sweep.told()
    listing = placed(objects, source, times.now, has_days=has_days, spans=spans)
    return Watched(listing, Watch(tuple(queue), sweep or watch.sweep), told)


def _due(last: Sweep | None, times: Times, *, always: bool) -> Sweep | None:
    """The sweep to go on with or to begin; None where it is not time for one."""
    if last is not None and not last.is_over:
        return last
    if last is None or always or times.now >= last.began + times.period:
        return Sweep(times.now)
    return None


def _was_quick(last: Sweep | None) -> bool:
    return last is None or (last.is_over and last.walks == 1)


def _is_cheap(last: Sweep | None, folders: int) -> bool:
    """Whether the last sweep took no more pages than there are folders."""
    return last is not None and _was_quick(last) and last.keys <= folders * PAGE


def _queue(rest: Sequence[Folder], folders: Sequence[str]) -> list[Folder]:
    """First what waits since the last tick, each folder once."""
    known = dict(rest)
    return [*known.items(), *((one, None) for one in dict.fromkeys(folders) if one not in known)]


def times_of(
    period: float, seconds: float, clock: Callable[[], float], now: datetime | None = None
) -> Times:
    """The times of a tick that begins now; `clock` gives seconds, as `time.monotonic`."""
    began = clock()
    return Times(
        now or datetime.now(UTC),
        timedelta(seconds=period),
        lambda: clock() - began >= seconds,
        lambda: clock() - began >= seconds / 2,
    )
