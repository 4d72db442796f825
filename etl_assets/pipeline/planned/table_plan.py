"""What would be done to one table, as data, and how a person reads it. Nothing is done here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from etl_assets.core.declared.changes import Change, Impact
from etl_assets.core.partitions import WHOLE, windows_of
from etl_assets.core.reload_reasons import lacks_of, refused_of
from etl_assets.core.wording import count_of


@dataclass(frozen=True)
class Reading:
    """What has to be read for it: rows as they are published now, and the bytes that the warehouse
    bills for them, None where it bills none or the rows are a source's."""

    rows: int = 0
    bytes: int | None = None


@dataclass(frozen=True)
class TablePlan:
    """What the code at hand would do to one table.

    `creates` are the paths of the tables that are made, `creates_later` those that are made when
    something new is published of the table, and `added` the columns that are added.
    `refused` says why nothing of it can be published. `loads` are the parts that are read from the
    source again, each with the reason, and `by` is what loads them; `makes` are the derived parts
    that are made. Whether the parts in `unsure` are published anew depends on rows: one that is
    equal to its source, or made of what did not change, is not. Those of them that are `first` were
    never published: they are if nothing refuses them, or what they are made of, any more.
    `reads_all` says why the next sync reads every row. `rebuilt` says that a dimension makes all of
    its versions anew, and `marks` which tables look it up. `of_other_code` are published parts that
    other code made, and that nothing brings up to the code at hand by itself. `changes` is what
    changed in its declaration since its last publication, whichever parts that was of; None where
    an earlier release, which noted none, published it last.
    """

    table: str
    creates: Sequence[str] = ()
    creates_later: Sequence[str] = ()
    added: Sequence[str] = ()
    refused: str | None = None
    loads: Mapping[date, str] = field(default_factory=dict)
    by: str = ""
    makes: Mapping[date, str] = field(default_factory=dict)
    unsure: frozenset[date] = frozenset()
    first: frozenset[date] = frozenset()
    reads_all: str | None = None
    rebuilt: str | None = None
    marks: Sequence[str] = ()
    of_other_code: Sequence[date] = ()
    reading: Reading = field(default_factory=Reading)
    changes: Sequence[Change] | None = ()
    is_declared: bool = True
    is_published: bool = True

    @property
    def does_something(self) -> bool:
        """Whether anything at all would be done to the warehouse, or changed in the declaration."""
        done = (
            self.creates,
            self.creates_later,
            self.added,
            self.refused,
            self.loads,
            self.makes,
            self.reads_all,
            self.of_other_code,
        )
        return any(map(bool, done)) or bool(self.rebuilt or self.changes or not self.is_declared)

    @property
    def breaks(self) -> bool:
        """Whether it is refused, or a change of it breaks readers."""
        breaking = [one for one in self.changes or () if one.impact is Impact.BREAKING]
        return bool(self.refused or breaking)

    def sentences(self) -> list[str]:
        """What would be done, a sentence each."""
        return [text for text in self._said() if text]

    def _said(self) -> list[str]:
        what = self.reading
        if not self.is_declared:
            return ["No module declares it: it stays as it is, and nothing brings it up to date."]
        told = [
            f"Makes the table{_s(self.creates)} {', '.join(self.creates)}"
            f"{'' if self.is_published else ' with its first load'}."
            if self.creates
            else "",
            f"Makes {', '.join(self.creates_later)} when rows of it are published next."
            if self.creates_later
            else "",
            f"Adds the column{_s(self.added)} {', '.join(self.added)}." if self.added else "",
            f"REFUSED: {self.refused}" if self.refused else "",
            f"Loads {_parts(self.loads)} again ({self.by}): {_reasons(self.loads)}."
            if self.loads
            else "",
            f"The next sync reads every row: {self.reads_all}." if self.reads_all else "",
            f"Makes {_parts(self.makes)}: {_reasons(self.makes)}." if self.makes else "",
            self.rebuilt or "",
        ]
        if again := self.unsure - self.first:
            told.append(
                f"Of these only if rows differ: {_parts(dict.fromkeys(again, ''))}. "
                "What comes out as it was is not published again."
            )
        if self.first:
            condition = (
                "nothing refuses them any more" if self.loads else "what they are made of is loaded"
            )
            told.append(f"Of these only if {condition}: {_parts(dict.fromkeys(self.first, ''))}.")
        if self.marks and (self.makes or self.rebuilt):
            told.append(f"Days of {', '.join(self.marks)} whose rows see another version follow.")
        if what.rows:
            size = ""
            if what.bytes is not None:
                size = f", {count_of(what.bytes, 'byte')} of the warehouse"
            told.append(f"Reads {count_of(what.rows, 'row')} again{size}.")
        if self.of_other_code:
            told.append(self._made_by_other_code())
        if self.changes is None:
            told.append(
                "An earlier release published it last, which did not note what the contract was: "
                "changes of its rules cannot be told until it is published again."
            )
        return told

    def _made_by_other_code(self) -> str:
        days = self.of_other_code
        if days[0] == WHOLE:
            return (
                "What is published was made by other code than that at hand, and nothing makes it "
                f"again by itself: etl-assets backfill {self.table}."
            )
        were, them = ("was", "it") if len(days) == 1 else ("were", "them")
        return (
            f"{_parts(dict.fromkeys(days, ''))} {were} made by other code than that at hand, and "
            f"nothing makes {them} again by itself: etl-assets backfill {self.table} --from "
            f"{days[0]} --to {days[-1]}."
        )

    def as_dict(self) -> dict[str, object]:
        """The same for JSON."""
        return {
            "table": self.table,
            "creates": list(self.creates),
            "creates_later": list(self.creates_later),
            "added_columns": list(self.added),
            "refused": self.refused,
            "loads": _by_day(self.loads),
            "loaded_by": self.by or None,
            "makes": _by_day(self.makes),
            "unsure": sorted(map(_shown, self.unsure)),
            "reads_all": self.reads_all,
            "rebuilt": self.rebuilt,
            "marks": list(self.marks),
            "of_other_code": list(map(_shown, self.of_other_code)),
            "rows": self.reading.rows,
            "bytes": self.reading.bytes,
            "changes": None
            if self.changes is None
            else [
                {"kind": c.kind, "impact": str(c.impact), "column": c.column, "what": c.what}
                for c in self.changes
            ],
            "is_declared": self.is_declared,
        }


def loading_reason(text: str) -> str:
    """Why a part must be loaded again, for a person; `text` is of `core/reload_reasons.py`."""
    lacking = lacks_of(text)
    gained = f"its contract gained or requires {', '.join(lacking)}" if lacking else ""
    return "; ".join(filter(None, [gained, refused_of(text) or ""])) or text


def _s(names: Sequence[str]) -> str:
    return "s" if len(names) > 1 else ""


def _by_day(parts: Mapping[date, str]) -> dict[str, str]:
    return {_shown(day): why for day, why in sorted(parts.items())}


def _shown(day: date) -> str:
    return "all" if day == WHOLE else day.isoformat()


def _parts(parts: Mapping[date, str]) -> str:
    if set(parts) == {WHOLE}:
        return "all of it"
    spans = windows_of(parts)
    shown = ", ".join(
        str(one.first) if one.first == one.last else f"{one.first} to {one.last}"
        for one in spans[:3]
    )
    more = f" and {len(spans) - 3} more spans" if len(spans) > 3 else ""
    return f"{len(parts):,} {'day' if len(parts) == 1 else 'days'} ({shown}{more})"


def _reasons(parts: Mapping[date, str]) -> str:
    """Each reason once, the most frequent first."""
    counts: dict[str, int] = {}
    for why in parts.values():
        counts[why] = counts.get(why, 0) + 1
    told = sorted(counts, key=lambda why: -counts[why])
    more = f", and {count_of(len(told) - 2, 'other reason')}" if len(told) > 2 else ""
    return "; ".join(told[:2]) + more
