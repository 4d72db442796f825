"""What a listing says of a table: which objects are its files, and the day that each belongs to.

A listing is complete, or says which keys it has shown, or is an error. What has been loaded of it
is the ledger's (`core/ledger.py`), which days the rows of an object are of is `row_days.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.partitions import WHOLE
from etl_assets.core.source_specs import Files
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.spans import EVERYTHING, Span
from etl_assets.sources.files.store import ObjectStore


@dataclass(frozen=True)
class Listing:
    """The objects of a table at a moment (UTC), by the part that they belong to.

    Objects of a part are in the order of their keys, which are below the table's location.
    `unplaced` are the keys that the pattern describes and whose day is no date. `spans` are the
    keys that were listed: of a part that is not all in them, `parts` has some objects only. Where
    rows say their day, `unread` are the objects of which is not known yet what days they have, and
    `rows` counts the rows of the others by part.
    """

    as_of: datetime
    parts: Mapping[date, Sequence[StoredObject]] = field(default_factory=dict)
    unplaced: Sequence[str] = ()
    spans: Sequence[Span] = EVERYTHING
    unread: Sequence[StoredObject] = ()
    rows: Mapping[date, int] = field(default_factory=dict)

    def of(self, part: date) -> Sequence[StoredObject]:
        """The objects of a part."""
        return self.parts.get(part, ())

    def made_of(self, part: date) -> str:
        """A digest of the objects of a part: what a load of it would be made of."""
        return made_of(self.of(part))


def made_of(objects: Iterable[StoredObject]) -> str:
    """A digest of keys and contents, whatever their order: equal for equal objects alone."""
    return digest_of((stored.key, stored.identity) for stored in objects)


def digest_of(identities: Iterable[tuple[str, str]]) -> str:
    """The same of keys and identities."""
    return fingerprint([text for pair in sorted(identities) for text in pair])


def list_table(store: ObjectStore, source: Files, *, has_days: bool) -> Listing:
    """List all of a table's objects.

    Raises SourceUnavailable and SourceError; a listing that broke off is never taken for a short
    one.
    """
    as_of = datetime.now(UTC)
    pages = store.list(below=source.keys.prefix)
    return placed((stored for page in pages for stored in page), source, as_of, has_days=has_days)


def placed(
    objects: Iterable[StoredObject],
    source: Files,
    as_of: datetime,
    *,
    has_days: bool,
    spans: Sequence[Span] = EVERYTHING,
) -> Listing:
    """Those of the objects that are the table's, by the part that they belong to.

    A marker or manifest is one of the objects of its part. An object that comes twice counts as it
    came last. Where rows say their day, all objects are `unread`.
    """
    keys, marks = source.keys, source.marks
    parts: dict[date, dict[str, StoredObject]] = {}
    unplaced, unread = [], dict[str, StoredObject]()
    for stored in objects:
        pattern = marks if marks is not None and marks.matches(stored.key) else keys
        if not pattern.matches(stored.key):
            continue
        if has_days and source.day_from == "rows":
            unread[stored.key] = stored
            continue
        if not has_days:
            day: date | None = WHOLE
        elif source.day_from == "arrival":
            day = arrival_of(stored)
        else:
            day = pattern.day_of(stored.key)
        if day is None:
            unplaced.append(stored.key)
        else:
            parts.setdefault(day, {})[stored.key] = stored
    in_order = {day: [found[key] for key in sorted(found)] for day, found in parts.items()}
    return Listing(as_of, in_order, unplaced, spans, [unread[key] for key in sorted(unread)])


def arrival_of(stored: StoredObject) -> date:
    """The UTC day on which the object was last written."""
    return stored.modified.astimezone(UTC).date()
