"""From a store to a proposal: what its files are, for a person to correct and keep.

The parts are in the modules beside this one; how a module is made of it is `scaffold/files.py`.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etl_assets.core.errors import SourceError
from etl_assets.core.file_formats import Csv, FileFormat, JsonLines, Parquet
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.core.wording import count_of
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.propose.columns import (
    Sampled,
    columns_of_csv,
    columns_of_json,
    names_in_csv,
    names_in_json,
    overlap,
)
from etl_assets.sources.files.propose.dialect import dialect_of
from etl_assets.sources.files.propose.key_shapes import Pattern, pattern_of_keys, shape_of
from etl_assets.sources.files.propose.parquet_columns import columns_of_parquet, names_in_parquet
from etl_assets.sources.files.propose.sample import (
    Begin,
    Bounds,
    Kind,
    Listed,
    begin_of,
    kind_of,
    listed,
    sniffed,
)
from etl_assets.sources.files.store import ObjectStore

_SAME_TABLE = 0.5  # the share of columns that files of one table have in common at the least


@dataclass(frozen=True)
class Proposal:
    """What the files of a store are.

    `left_out` are columns that a contract cannot declare, with the reason. `notes` are sentences on
    pattern and format. `read` are the keys of the objects that were read, `keys` counts those that
    the pattern is made of.
    """

    pattern: Pattern
    format: FileFormat
    sampled: Sampled
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    read: Sequence[str] = ()
    keys: int = 0


def propose(
    store: ObjectStore,
    kind: Kind | None = None,
    bounds: Bounds | None = None,
    only: KeyPattern | None = None,
) -> Proposal:
    """Look at a sample of the store's objects; `kind` says their format where suffixes do not.

    Objects that `only` does not describe are another table's. It becomes the table's pattern where
    it says the day, or where no keys do.

    Raises SourceError where nothing is there or nothing is known of it, and what the store raises.
    """
    bounds = bounds or Bounds()
    found = listed(store, bounds, only)
    only = found.pattern
    chosen, notes = _of_one_kind(found, kind)
    begins, groups, refused = _begins(store, chosen, kind, bounds)
    known = kind or kind_of(begins[0].key) or sniffed(begins[0])
    if known is Kind.PARQUET and not all(begin.is_whole for begin in begins):
        begins, groups, refused = _begins(store, chosen, known, bounds)
    notes += refused
    read, columns = _names(begins, known)
    same = [
        begin for begin in read if overlap(columns[begin.key], columns[read[0].key]) >= _SAME_TABLE
    ]
    others = [begin for begin in read if begin not in same]
    shapes = {shape_of(begin.key) for begin in same}
    for begin in others:
        if (shape := shape_of(begin.key)) not in shapes:
            notes.append(
                f"{count_of(groups[shape], 'key')} like {_shown(begin.key)} "
                f"{'has' if groups[shape] == 1 else 'have'} other columns: that is another table, "
                "and the pattern may have to be narrower."
            )
    keys = [stored.key for stored in chosen if shape_of(stored.key) in shapes]
    pattern = _pattern(keys, only)
    notes += _on_keys(pattern, found, keys, only)
    file_format, sampled, left_out, more = _read(same, known)
    return Proposal(
        pattern, file_format, sampled, left_out, [*notes, *more], [b.key for b in same], len(keys)
    )


def _pattern(keys: Sequence[str], typed: KeyPattern | None) -> Pattern:
    """The narrowest pattern that says the day; the one that was typed where it knows better."""
    if typed is not None and typed.has_day:
        return Pattern(typed.text, typed.form)
    found = pattern_of_keys(keys)
    return Pattern(typed.text) if typed is not None and found.form is None else found


def _of_one_kind(found: Listed, kind: Kind | None) -> tuple[list[StoredObject], list[str]]:
    """The objects of the format that most have, and what is said of the others."""
    kinds = {stored.key: kind_of(stored.key) for stored in found.objects}
    counts = Counter(kinds.values())
    most = kind if kind in counts else counts.most_common(1)[0][0]
    if most is None and len(counts) > 1:
        most = next(one for one, _ in counts.most_common() if one is not None)
    if kind is not None and most is not kind:  # the suffixes do not say it
        most = None if None in counts else most
    chosen = [stored for stored in found.objects if kinds[stored.key] is most]
    notes = []
    if len(chosen) < len(found.objects):
        others = len(found.objects) - len(chosen)
        have, were = ("has", "was") if others == 1 else ("have", "were")
        notes.append(
            f"{others:,} of {count_of(len(found.objects), 'object')} {have} another suffix, and "
            f"{were} not "
            "looked at."
        )
    return chosen, notes


def _begins(
    store: ObjectStore, chosen: Sequence[StoredObject], kind: Kind | None, bounds: Bounds
) -> tuple[list[Begin], Counter[str], list[str]]:
    """The begins of some objects: the newest key of each shape, then more of the usual shape.

    One that cannot be expanded is passed over with a note, for its day alone will be refused;
    raises SourceError where none can.
    """
    groups = Counter(shape_of(stored.key) for stored in chosen)
    newest = {shape_of(stored.key): stored for stored in chosen}
    picked = [newest[shape] for shape, _ in groups.most_common(bounds.objects)]
    usual = [
        s for s in chosen if shape_of(s.key) == groups.most_common(1)[0][0] and s not in picked
    ]
    room = bounds.objects - len(picked)
    picked += [usual[n * len(usual) // room] for n in range(room)] if len(usual) > room else usual
    unique = dict.fromkeys(picked)
    begins, refused = [], []
    for one in unique:
        try:
            begins.append(begin_of(store, one, kind or kind_of(one.key), bounds))
        except SourceError as error:
            refused.append(error)
    if not begins:
        raise refused[0]
    return begins, groups, [f"{error} It was not looked at." for error in refused]


def _names(begins: Sequence[Begin], kind: Kind) -> tuple[list[Begin], dict[str, list[str]]]:
    """The names of the columns of each object, and the objects that have any."""
    names: dict[str, list[str]] = {}
    if kind is Kind.CSV:
        csv = dialect_of(begins[:1]).csv
        for begin in begins:
            try:
                names[begin.key] = names_in_csv(begin, csv)
            except UnicodeDecodeError:  # the dialect is guessed of all of them together, later
                names[begin.key] = names[begins[0].key]
    else:
        of = names_in_json if kind is Kind.JSON_LINES else names_in_parquet
        names = {begin.key: of(begin) for begin in begins}
    return [begin for begin in begins if names[begin.key]], names


def _read(
    begins: Sequence[Begin], kind: Kind
) -> tuple[FileFormat, Sampled, Mapping[str, str], Sequence[str]]:
    if kind is Kind.PARQUET:
        sampled, left_out = columns_of_parquet(begins)
        return Parquet(), sampled, left_out, []
    if kind is Kind.JSON_LINES:
        return JsonLines(), columns_of_json(begins), {}, []
    dialect = dialect_of(begins)
    csv: Csv = dialect.csv
    return csv, columns_of_csv(begins, csv), {}, dialect.notes


def _on_keys(
    pattern: Pattern, found: Listed, keys: Sequence[str], typed: KeyPattern | None
) -> list[str]:
    notes = []
    if not found.is_complete:
        notes.append(
            f"Only the first {count_of(len(found.objects), 'key')} were listed: others may look "
            "otherwise, and "
            "objects whose keys the pattern does not describe are not loaded."
        )
    if pattern.other_form:
        notes.append(
            f"The day in the keys may be {pattern.form} or {pattern.other_form}: the sample does "
            "not say which. A wrong one puts rows on other days."
        )
    if pattern.form is None:
        notes.append(
            "The keys say no day: the table has no days, and all of its files are read whenever "
            "one changes. If they do say it, write {day:%Y-%m-%d} in the pattern where it stands."
        )
    if len(keys) == 1 and typed is None:
        notes.append(
            "The pattern is made of one key: correct it if the next files are named otherwise, or "
            "they are not loaded."
        )
    return notes


def _shown(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def nothing_in(columns: Sequence[object], place: str) -> None:
    """Raises SourceError for files without any column that could be declared."""
    if not columns:
        raise SourceError(
            f"The files of {place} have no column that a contract can declare.",
            "Look at one of them: is it empty, or of another format? Say --format.",
        )
