"""Which column says the day of a row, and which when it changed: by type, name and what was found
there. Pure. A person may say both, and zone and key, with options of the command.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from etl_assets.core.errors import SourceError
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.wording import count_of
from etl_assets.scaffold.facts import MOMENTS, ColumnFacts, TableFacts

_PARTS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_MADE = {"created", "inserted", "create", "creation", "createdat", "crtime", "added"}
_HAPPENED = {
    *("occurred", "happened", "logged", "recorded", "received", "placed", "ordered", "sold"),
    *("event", "order", "registered", "posted", "published", "started", "start", "begin", "ship"),
    *("payment", "rental", "invoice", "transaction", "booking", "orderdate", "shipdate", "sent"),
}
_NOT_A_DAY = {
    *("updated", "update", "modified", "changed", "touched", "mtime", "deleted", "removed", "due"),
    *("archived", "expires", "expiry", "expired", "expiration", "birth", "birthday", "dob", "born"),
    *("until", "valid", "end", "ends", "ended", "closed", "finished", "last", "next", "cancelled"),
    *("canceled", "deadline", "commit", "receipt", "required", "return", "returned", "seen", "to"),
    *("commitdate", "receiptdate", "confirmed", "synced", "lock", "locked", "from"),
}
_CHANGED = {
    "updated",
    "update",
    "modified",
    "changed",
    "change",
    "touched",
    "mtime",
    "modification",
}
_CHANGED |= {"lastmodified", "lastupdated", "lastupdate", "updatedat", "modifiedat", "write"}
_NOT_A_CHANGE = {
    "created",
    "by",
    "user",
    "deleted",
    "price",
    "status",
    "password",
    "email",
    "count",
}
_MADE_ROWS, _HAPPENED_ROWS, _MANY_ROWS = 10_000, 20_000, 1_000_000
_ROWS_A_DAY = 50
_EPOCHS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
VERSION = "version"
"""Stands for the unit of a cursor whose numbers one sequence gives."""
_2000, _2100 = 946_684_800, 4_102_444_800


@dataclass(frozen=True)
class Day:
    """The column of the days, None for a table without days, and why."""

    column: str | None
    why: str
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Change:
    """The columns of the cursor, none where there is no cursor, and why.

    `unit` is that of numbers since 1970, None for moments and dates.
    """

    columns: tuple[str, ...]
    why: str
    unit: str | None = None


def day_of(facts: TableFacts) -> Day:
    """The column that says which day a row belongs to, where days are worth it."""
    candidates = sorted(
        (
            (-_rank_of_day(column.name), place, column)
            for place, column in enumerate(facts.columns)
            if column.type in MOMENTS and _rank_of_day(column.name)
        ),
        key=lambda one: one[:2],
    )
    rows = facts.rows
    told = ""
    for rank, _, column in candidates:
        why_not = _why_no_day(column, facts)
        if why_not:
            if rank < -1:  # what has any other name may mean anything
                told = told or f"{column.name} could say the day, but {why_not}."
            continue
        enough = {-3: _MADE_ROWS, -2: _HAPPENED_ROWS, -1: _HAPPENED_ROWS}[rank]
        first, last = _date(column.measured.least), _date(column.measured.greatest)
        days = (last - first).days + 1 if first and last else 1
        if (rows or 0) < enough or (rows or 0) < days * _ROWS_A_DAY:
            about = f"about {count_of(rows, 'row')}" if rows else "no rows"
            told = told or (
                f"it has {about}, and is replaced as a whole more quickly than by days. When it "
                f"grows, name {column.name!r} here."
            )
            continue
        what = "when a row was made" if rank == -3 else "when it happened"
        return Day(column.name, f"its name says {what}, and it is never NULL.", first, last)
    return Day(None, told or "no column surely says a day for ever: it is replaced as a whole.")


def day_named(facts: TableFacts, name: str) -> Day:
    """The same of a column that a person named; raises SourceError for one that has no days."""
    column = _known(facts, name, "--day")
    if column.type not in MOMENTS:
        raise SourceError(
            f"{name} of {facts.relation.shown} is {column.source.shown}, which has no days.",
            f"Write one of {_those(facts)} after --day, or none.",
        )
    found = column.measured
    return Day(name, "this is what --day says.", _date(found.least), _date(found.greatest))


def change_named(facts: TableFacts, name: str) -> Change:
    """The cursor that a person named; raises SourceError for a column that can be none."""
    column, why = _known(facts, name, "--cursor"), "this is what --cursor says."
    if column.type in ("int2", "int4", "int8"):
        return Change((name,), why, _unit_of(column) or VERSION)
    if column.type not in MOMENTS:
        raise SourceError(
            f"{name} of {facts.relation.shown} is {column.source.shown}, which does not tell in "
            "what order rows changed.",
            f"Write one of {_those(facts)} after --cursor, or none.",
        )
    if column.type == "timestamp" and facts.zone is None:
        raise SourceError(
            f"The clock of {name} of {facts.relation.shown} has no zone, so it says no moment.",
            "Say its zone as well: --zone UTC, or --zone Europe/Berlin.",
        )
    return Change((name,), why)


def _known(facts: TableFacts, name: str, option: str) -> ColumnFacts:
    found = [column for column in facts.columns if column.name == name]
    if not found:
        raise SourceError(
            f"{facts.relation.shown} has no column {name!r}.",
            f"Write one of {_those(facts)} after {option}, or none.",
        )
    return found[0]


def _those(facts: TableFacts) -> str:
    names = [column.name for column in facts.columns if column.type in MOMENTS]
    return ", ".join(names) or "no column, as it has no dates"


def change_of(facts: TableFacts) -> Change:
    """The column that is set whenever a row changes, by its name; and what to write if there is."""
    columns = [
        column for column in facts.columns if _says_change(column.name) and _change_type(column)
    ]
    for column in sorted(columns, key=_rank_of_change):
        why_not = _why_no_cursor(column, facts)
        if why_not:
            return Change((), f"{column.name} could be one, but {why_not}.")
        if column.type not in MOMENTS:
            unit = _unit_of(column)
            return Change(
                (column.name,), f"its name and its values say so, as {unit} since 1970.", unit
            )
        known = (
            "a trigger before each update may set it"
            if facts.sets_on_update
            else "nothing in the database shows who sets it"
        )
        why = (
            f"its name says that it is set on every change ({known}). A change that does not set "
            "it is found by the next reconciliation"
        )
        made = _made_beside(column, facts)
        if not column.source.not_null and made:
            return Change((column.name, made), f"{why}; the greatest that is not NULL counts.")
        return Change((column.name,), f"{why}.")
    return Change(
        (),
        "no column is called like one that is set on every change. Loads, and the nightly "
        "reconciliation, bring what changed.",
    )


def _rank_of_day(name: str) -> int:
    """3 for when a row was made, 2 for when something happened, 1 for another day, 0 for none."""
    words = _words(name)
    if words & _NOT_A_DAY:
        return 0
    return 3 if words & _MADE else 2 if words & _HAPPENED else 1


def _why_no_day(column: ColumnFacts, facts: TableFacts) -> str:
    found = column.measured
    if found.has_unrepresentable:
        return "it has values that are no calendar date"
    is_full = facts.is_counted and not found.nulls and (facts.rows or 0) >= _MANY_ROWS
    if not column.source.not_null and not is_full:
        return "it may be NULL, and such rows would be on no day"
    last, now = _date(found.greatest), _date(facts.now)
    if last and now and last > now + ONE_DAY:
        return f"it lies in the future ({last}), where the platform has no days"
    return ""


def _says_change(name: str) -> bool:
    words = _words(name)
    return bool(words & _CHANGED) and not words & _NOT_A_CHANGE


def _rank_of_change(column: ColumnFacts) -> tuple[int, str]:
    order = {"timestamptz": 0, "timestamp": 1, "int8": 2, "date": 3}
    return order[column.type], column.name


def _change_type(column: ColumnFacts) -> bool:
    return column.type in MOMENTS or (column.type == "int8" and _unit_of(column) is not None)


def _unit_of(column: ColumnFacts) -> str | None:
    """What numbers since 1970 count, where they all lie between the years 2000 and 2100."""
    found = column.measured
    if column.type != "int8" or not found.least or not found.greatest:
        return None
    low, high = int(found.least), int(found.greatest)
    return next(
        (unit for unit, n in _EPOCHS.items() if _2000 * n <= low and high <= _2100 * n), None
    )


def _why_no_cursor(column: ColumnFacts, facts: TableFacts) -> str:
    if column.measured.has_unrepresentable:
        return "it has values that are no calendar date"
    if column.type == "timestamp" and facts.zone is None:
        return (
            "its clock has no zone, and nothing in the database says which. If you know it, add "
            "the table again with --zone UTC (or Europe/Berlin, …)"
        )
    last, now = _date(column.measured.greatest), _date(facts.now)
    if column.type in MOMENTS and last and now and last > now + ONE_DAY:
        return f"it lies in the future ({last})"
    return ""


def _made_beside(column: ColumnFacts, facts: TableFacts) -> str | None:
    """A column of the same type that says when a row was made."""
    for other in facts.columns:
        if (
            other.type == column.type
            and other.source.not_null
            and _rank_of_day(other.name) == 3
            and not other.measured.has_unrepresentable
        ):
            return other.name
    return None


def _words(name: str) -> set[str]:
    return {part.lower() for part in _PARTS.split(name) if part}


def _date(text: str | None) -> date | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # infinity, BC
        return None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
