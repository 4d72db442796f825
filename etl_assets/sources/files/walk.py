"""A walk along a store's keys that may stop and go on later, at the key where it stopped.

A sweep goes along all keys of a table, in as many walks as it takes, and the next sweep begins from
nothing: a key that sorts before the last one is never lost (F1). Which days are late is decided in
`pipeline/file_days.py`, what to walk along next in `pipeline/file_watch.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etl_assets.core.key_patterns import KeyPattern
from etl_assets.core.source_specs import Files
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.spans import Span
from etl_assets.sources.files.store import ObjectStore

IsOver = Callable[[], bool]
"""Whether the time for listing is over."""


@dataclass(frozen=True)
class Walk:
    """The objects that a walk has shown, without a gap, and the keys that it has seen."""

    span: Span
    objects: Sequence[StoredObject]

    @property
    def is_at_end(self) -> bool:
        """Whether there is nothing behind it."""
        return self.span.through is None


def walk(store: ObjectStore, below: str, after: str | None, is_over: IsOver) -> Walk:
    """Along the keys that begin with `below` and come after `after`, at least one page of them.

    Raises SourceUnavailable and SourceError.
    """
    found: list[StoredObject] = []
    # From the folder on: a store that cannot list it alone has not to show what is before it.
    for page in store.list(after or below or None, below):
        found.extend(stored for stored in page if stored.key.startswith(below))
        last = page[-1].key
        if last > below and not last.startswith(below):
            break
        if is_over():
            return Walk(Span(below, after, last), found)
    return Walk(Span(below, after), found)


def without_a_part_of_a_day(walked: Walk, source: Files) -> Walk:
    """A walk that was cut within the folder of a day, as if it had been cut before that folder.

    So what is known of a day is all of it, and its digest tells whether it is late. A walk that
    shows nothing but this day stays as it is: the day is larger than the time of one walk.
    """
    through, pattern = walked.span.through, source.keys.day_folder
    if through is None or pattern is None:
        return walked
    day = KeyPattern(f"{pattern}**").day_of(through)
    folders = source.folders_of(day) if day is not None else ()
    folder = next((one for one in folders if through.startswith(one)), None)
    if folder is None or (walked.span.after or "") >= folder:
        return walked
    kept = [stored for stored in walked.objects if not stored.key.startswith(folder)]
    return Walk(Span(walked.span.below, walked.span.after, folder), kept) if kept else walked
