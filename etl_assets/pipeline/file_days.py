"""Which days of a table of files are not made of what its listing shows: files as a signal. Pure.

It is the rule of derived days (`core/lateness.py`): a day is late when the objects that it was made
of are not the objects that are there now. No cursor takes part, so that an object is neither lost
nor loaded twice, whatever becomes of a sensor's memory. Of a day that was listed in part, only what
was listed is taken for known: all else is as the ledger has it. Listing is `sources/files/`.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.lateness import Late
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes
from etl_assets.core.reload_reasons import forgotten_of, refused_of
from etl_assets.core.reload_reasons import objects_of as reload_objects
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.sources.files.declared import files_of
from etl_assets.sources.files.listing import Listing, digest_of, made_of
from etl_assets.sources.files.objects import StoredObject

_NO_REASONS: Mapping[date, str] = {}
NEW, CHANGED, GONE = "new", "changed", "gone"
SETTLING = "waiting to settle"
INCOMPLETE = "waiting for their marker or manifest"
OUTSIDE = "of days that the platform does not have"
UNPLACED = "with no date in their key"
KEPT = "gone whose rows are kept"
UNREAD = "to be read before their days are known"
COUNTED = (NEW, CHANGED, GONE, SETTLING, INCOMPLETE, OUTSIDE, UNPLACED, KEPT, UNREAD)
"""What is counted, in the order in which it is told."""


@dataclass(frozen=True)
class FilesLook:
    """What a look at a table's objects came to.

    `late` are the days to load, oldest first, `settling` those that wait because an object may be
    written to still. `counts` has a number of objects for each thing that the tick tells. `whole`
    are the days that all objects were listed of; `waits` says of days why they are not complete,
    `forgotten` counts the late days that shall be loaded again whatever their objects are.
    Where rows say their day, `to_read` asks, in one, for the objects to be read of which it is not
    known yet what days they have (its day is `WHOLE`), and `outside_rows` counts the rows of days
    that the platform does not have.
    """

    late: Sequence[Late] = ()
    settling: Sequence[Late] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    whole: Collection[date] = ()
    waits: Mapping[date, str] = field(default_factory=dict)
    forgotten: int = 0
    to_read: Sequence[Late] = ()
    outside_rows: int = 0

    def told(self) -> str:
        """In one line, for the tick."""
        counts = [f"{self.counts[what]:,} {what}" for what in COUNTED if self.counts.get(what)]
        said = f"Objects: {', '.join(counts)}." if counts else "No object is new, changed or gone."
        if self.outside_rows:
            said += (
                f" {count_of(self.outside_rows, 'row')} {is_or_are(self.outside_rows)} {OUTSIDE}."
            )
        return f"{said} Days forgotten by hand: {self.forgotten:,}." if self.forgotten else said


@dataclass(frozen=True)
class FoundObject:
    """An object that a listing shows, or that a published part was made of.

    `status` is that of the ledger, or `new`, `changed` or `gone` where the two differ, `forgotten`
    where its day is to be loaded again whatever they are (`pipeline/forget.py`), `refused` where
    its day was refused with these objects; `error` says why it is refused. `entry` is the ledger's,
    None for one that was never published. `part` is the day, `WHOLE` for a table without days.
    """

    part: date
    key: str
    size: int
    status: str
    entry: LedgerEntry | None
    error: str | None = None


def objects_of(
    listing: Listing, ledger: Iterable[LedgerEntry], reasons: Mapping[date, str] = _NO_REASONS
) -> list[FoundObject]:
    """Every object, by part and key; `reasons` are those of `TableState.reload_reasons`.

    One that is not read yet is new, on the part `WHOLE`.
    """
    known = {(entry.partition_key, entry.object_key): entry for entry in ledger}
    found, unread = {}, {stored.key for stored in listing.unread}
    for stored in listing.unread:
        found[WHOLE, stored.key] = FoundObject(WHOLE, stored.key, stored.size, "new", None)
    for part, objects in listing.parts.items():
        is_forgotten, refusal = _said_of(listing, part, reasons.get(part))
        for stored in objects:
            entry = known.get((part, stored.key))
            error = entry.error if entry else None
            if entry is not None and entry.identity == stored.identity:
                status = "forgotten" if is_forgotten else entry.status
            else:
                status = "new" if entry is None else "changed"
                if refusal:
                    status, error = "refused", refusal
            one = FoundObject(part, stored.key, stored.size, status, entry, error)
            found[part, stored.key] = one
    for (part, key), entry in known.items():
        # Which days its new content has is known when it is read.
        status = "changed" if key in unread else "gone"
        one = FoundObject(part, key, entry.size, status, entry, entry.error)
        found.setdefault((part, key), one)
    return [found[name] for name in sorted(found)]


def _said_of(listing: Listing, part: date, reason: str | None) -> tuple[bool, str | None]:
    """Whether the part is forgotten, and why its objects of now were refused, if they were."""
    if reason is None:
        return False, None
    refusal, of = refused_of(reason), reload_objects(reason)
    is_other = of is not None and of != listing.made_of(part)
    told = f"its day was {refusal}" if refusal and part != WHOLE else refusal
    return forgotten_of(reason) is not None, None if is_other else told


def lines_of(table: LayerTable, key: str, quarantined: pl.DataFrame) -> list[dict[str, str]]:
    """Those of the quarantined rows (QUARANTINED_SCHEMA) that are lines of the object.

    `rule`, `position` and `raw` of each. A line that is no row says its object in its position, a
    row that breaks a rule in its file column.
    """
    named, column = json.dumps(key, ensure_ascii=False), files_of(table).file_column
    held = f'"{column}": {named}' if column else None
    return [
        {"rule": rule, "position": position, "raw": payload}
        for _, rule, position, payload in quarantined.iter_rows()
        if f" {named} line " in position or (held and held in payload)
    ]


@dataclass(frozen=True)
class Rules:
    """What else decides whether a day is loaded.

    `has_day` says whether the platform has a day, and whether it has come. `waits_for` says what is
    missing of a day with these keys, of which these objects were listed; None if it is complete.
    Objects that were modified less than `settle` before the listing may be written to still.
    `forgotten` are the days that shall be loaded again, with the reason, which is another one each
    time that a day is forgotten.
    """

    has_day: Callable[[date], bool]
    waits_for: Callable[[date, Collection[str], Sequence[StoredObject]], str | None] = (
        lambda _day, _keys, _listed: None
    )
    settle: timedelta = timedelta(0)
    forgotten: Mapping[date, str] = field(default_factory=dict)


def look_at(
    table: LayerTable,
    listing: Listing,
    states: Iterable[PartitionState],
    ledger: Callable[[], Iterable[LedgerEntry]],
    rules: Rules,
    also: Iterable[date] = (),
) -> FilesLook:
    """The days whose objects are not those that they were made of; `also` are days to look at.

    `ledger` is asked only where a day is late or was listed in part. With `Deletes.KEEP` a day of
    which an object is gone stays as it is, unless it is forgotten. A day that has an object whose
    content of now is not read yet waits until it is: it may have rows of the day as before.
    """
    made = {state.partition_key: state.made_of for state in states}
    look = _Look(table, listing, ledger, rules)
    whole, forgotten, outside_rows = [], 0, 0
    for day in sorted({*listing.parts, *made, *also, *rules.forgotten}):
        if look.is_whole(day) or day in rules.forgotten:  # nothing more is to be known of it
            whole.append(day)
        if day != WHOLE and not rules.has_day(day):
            look.counts[OUTSIDE] += len(listing.of(day))
            outside_rows += listing.rows.get(day, 0)
            continue
        if (reason := rules.forgotten.get(day)) is not None:
            look.late.append(Late(table.path, day, fingerprint([reason]), reason))
            forgotten += 1
            continue
        look.judge(day, made.get(day, _NOTHING if not listing.of(day) else None))
    look.counts[UNPLACED] += len(listing.unplaced)
    if table.has_row_days and look.is_whole(WHOLE):
        whole.append(WHOLE)
    return FilesLook(
        look.late,
        look.settling,
        look.counts,
        whole,
        look.waits,
        forgotten,
        look.to_read(),
        outside_rows,
    )


_NOTHING = made_of(())


@dataclass
class _Look:
    """A look on its way: what was found of the days until now."""

    table: LayerTable
    listing: Listing
    ask_ledger: Callable[[], Iterable[LedgerEntry]]
    rules: Rules
    late: list[Late] = field(default_factory=list)
    settling: list[Late] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    waits: dict[date, str] = field(default_factory=dict)

    @cached_property
    def ledger(self) -> Mapping[date, Mapping[str, LedgerEntry]]:
        """The entries by day and key."""
        known: dict[date, dict[str, LedgerEntry]] = {}
        for entry in self.ask_ledger():
            known.setdefault(entry.partition_key, {})[entry.object_key] = entry
        return known

    @cached_property
    def there(self) -> set[str]:
        """The keys of all objects whose days are known."""
        parts = self.listing.parts.values()
        return {stored.key for objects in parts for stored in objects}

    @cached_property
    def unread(self) -> set[str]:
        """The keys of the others."""
        return {stored.key for stored in self.listing.unread}

    def to_read(self) -> list[Late]:
        """Asks for the objects to be read of which it is not known what days they have."""
        ready = [stored for stored in self.listing.unread if not self._is_young(stored)]
        self.counts[UNREAD] += len(ready)
        self.counts[SETTLING] += len(self.listing.unread) - len(ready)
        why = f"{count_of(len(ready), 'object')} to be read"
        return [Late(self.table.path, WHOLE, made_of(ready), why)] if ready else []

    def is_whole(self, day: date) -> bool:
        """Whether every object of the day was listed."""
        return all(
            any(span.has_all_below(folder) for span in self.listing.spans)
            for folder in self._folders(day)
        )

    def judge(self, day: date, made: str | None) -> None:
        """Find out whether the day, which was made of `made`, is late, or what it waits for."""
        listed = self.listing.of(day)
        now = {stored.key: stored.identity for stored in listed}
        if digest_of(now.items()) == made:
            return  # also of a day that was listed in part: what was listed has not changed
        if not self.is_whole(day):
            if not listed and not self._may_have(day):
                return
            now = self._presumed(day)
        wanted = digest_of(now.items())
        if wanted == made:
            return
        before = self.ledger.get(day, {})
        if before.keys() & self.unread:
            return
        gone = len(before.keys() - now.keys())
        # One that is of other days now is not gone: its rows are there, and not twice.
        lost = len(before.keys() - now.keys() - self.there)
        if lost and self.table.deletes is Deletes.KEEP:
            self.counts[KEPT] += lost
            return
        changed = {key for key in now.keys() & before if before[key].identity != now[key]}
        new = now.keys() - before.keys()
        # What a manifest lists is known to be there only where all of the day was listed.
        waits = self.rules.waits_for(day, now.keys(), listed if self.is_whole(day) else ())
        if waits is not None:
            self.counts[INCOMPLETE] += len(new) + len(changed)
            self.waits[day] = waits
            return
        told = [(len(new), NEW), (len(changed), CHANGED), (gone, GONE)]
        why = ", ".join(f"{number} {what}" for number, what in told if number)
        late = Late(self.table.path, day, wanted, f"objects: {why or 'to be read again'}")
        young = sum(self._is_young(one) for one in listed if one.key in new | changed)
        if young:
            self.counts[SETTLING] += young
            self.settling.append(late)
            return
        self.counts.update({what: number for number, what in told})
        self.late.append(late)

    def _presumed(self, day: date) -> dict[str, str]:
        """The identities of the day's objects by key: as listed, and beyond that as they were."""
        spans = self.listing.spans
        kept = {
            key: entry.identity
            for key, entry in self.ledger.get(day, {}).items()
            if not any(span.has(key, entry.size) for span in spans)
        }
        return {**kept, **{stored.key: stored.identity for stored in self.listing.of(day)}}

    def _is_young(self, stored: StoredObject) -> bool:
        # A clock that runs ahead by more than that says nothing of how old an object is.
        return abs(self.listing.as_of - stored.modified) < self.rules.settle

    def _may_have(self, day: date) -> bool:
        return any(
            span.may_have(folder) for span in self.listing.spans for folder in self._folders(day)
        )

    def _folders(self, day: date) -> Sequence[str]:
        source = files_of(self.table)
        folders = source.folders_of(day) if self.table.has_days else ()
        return folders or [source.keys.prefix]
