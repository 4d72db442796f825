"""What a person should know of published tables, in as few lines as possible: what several tables
share is one sentence. What the tables' numbers are is `status.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl_assets.core.partitions import WHOLE
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.pipeline.status import TableStatus

SHOWN = 3
MOST_TABLES = 6
"""So many tables are named in a sentence; `--json` has all of them."""


def notes_of(lines: "Sequence[TableStatus]") -> list[str]:
    """The sentences of these tables, those of one kind together."""
    notes: list[str] = []
    for alone, together in (
        (_warnings, _all_warnings),
        (_columns, None),
        (_refusals, None),
        (lambda line: line.lacking, None),
        (_forgotten, None),
        (_outside, _all_outside),
        (_late, _all_late),
        (_other_code, _all_other_code),
        (_undeclared, _all_undeclared),
    ):
        told = {line.table: text for line in lines if (text := alone(line))}
        if together is None or len(told) < 2:
            notes += told.values()
        else:
            notes += together([line for line in lines if line.table in told])
    return notes


def never_made_notes(days: Mapping[str, int]) -> list[str]:
    """What a person should know of derived tables that were never made, by table their days."""
    if len(days) < 2:
        return [never_made_note(table, number) for table, number in days.items()]
    named = some_named(f"{table} ({count_of(number, 'day')})" for table, number in days.items())
    return [f"Never made: {named}. Make them: etl-assets derive."]


def never_made_note(table: str, days: int) -> str:
    """The same of one table."""
    return (
        f"{table} was never made, of {count_of(days, 'day')}. Make it: etl-assets derive {table}."
    )


def late_files_note(table: str, days: int) -> str:
    """What a person should know of days of files that are late."""
    return (
        f"{table}: {count_of(days, 'day')} late, as their objects are new, changed or gone. The "
        f"sensor new_files__{table.rpartition('/')[2]} loads them; see etl-assets files list "
        f"{table}."
    )


def _warnings(line: "TableStatus") -> str:
    told = _by_check(line)
    return f"{line.table}: checks that warn: {told}." if told else ""


def _all_warnings(lines: "Iterable[TableStatus]") -> list[str]:
    named = some_named(f"{line.table} ({_by_check(line)})" for line in lines)
    return [f"Checks that warn: {named}."]


def _by_check(line: "TableStatus") -> str:
    return ", ".join(f"{name} on {count_of(days, 'day')}" for name, days in line.warnings.items())


def _columns(line: "TableStatus") -> str:
    if not line.not_in_contract:
        return ""
    return (
        f"{line.table}: the source has columns that the contract does not have: "
        f"{', '.join(line.not_in_contract)}. They are not read. Declare them, or name them "
        "in `ignore` of the table's spec."
    )


def _refusals(line: "TableStatus") -> str:
    """Which days were refused and why, and what to do next."""
    days, table = list(line.refused), line.table
    if not days:
        return ""
    if days == [WHOLE]:
        what = f"{table}: the last load was not published. It was {line.refused[WHOLE]}."
        return f"{what} What was published before stays. Mend it, then: {_backfill(table)}."
    told = f"refused {count_of(len(days), 'day')}, as published before or not at all"
    what = f"{table}: {told} ({_with_reasons(line.refused)})."
    if line.syncs:
        return f"{what} The next sync tries again: etl-assets sync {table}."
    again = _backfill(table, days[0], days[-1])
    if line.is_of_files:
        sensor = f"new_files__{table.rpartition('/')[2]}"
        return f"{what} When their objects change {sensor} loads them; or now: {again}."
    return f"{what} Mend what is wrong, then: {again}."


def _with_reasons(refused: Mapping[date, str]) -> str:
    days = list(refused)
    shown = "; ".join(f"{day} {refused[day]}" for day in days[:SHOWN])
    return f"{shown}; and {len(days) - SHOWN:,} more" if len(days) > SHOWN else shown


def _forgotten(line: "TableStatus") -> str:
    if not line.days_forgotten:
        return ""
    return (
        f"{line.table}: {count_of(len(line.days_forgotten), 'day')} forgotten by hand "
        f"({_some(line.days_forgotten)}). The sensor loads them again; or now: "
        f"etl-assets files replay {line.table}."
    )


def _outside(line: "TableStatus") -> str:
    if not line.days_outside:
        return ""
    return (
        f"{line.table}: {count_of(len(line.days_outside), 'day')} published outside ETL_FIRST_DAY "
        f"and ETL_LAST_DAY ({_some(line.days_outside)}). Nothing brings them up to date."
    )


def _all_outside(lines: "Iterable[TableStatus]") -> list[str]:
    named = some_named(
        f"{line.table} ({count_of(len(line.days_outside), 'day')})" for line in lines
    )
    return [
        f"Published outside ETL_FIRST_DAY and ETL_LAST_DAY: {named}. Nothing brings these days up "
        "to date."
    ]


def _late(line: "TableStatus") -> str:
    if not line.late_days:
        return ""
    if line.is_of_files:
        return late_files_note(line.table, line.late_days)
    if not line.partitions:
        return never_made_note(line.table, line.late_days)
    return (
        f"{line.table}: {count_of(line.late_days, 'day')} late, as inputs were published since. "
        f"Make them again: etl-assets derive {line.table}."
    )


def _all_late(lines: "Iterable[TableStatus]") -> list[str]:
    several = list(lines)
    files = [line for line in several if line.is_of_files]
    derived = {line.table: line.late_days for line in several if not line.is_of_files}
    told = [late_files_note(line.table, line.late_days) for line in files]
    if derived:
        named = some_named(f"{table} ({count_of(days, 'day')})" for table, days in derived.items())
        told.append(
            f"Late, as inputs were published since: {named}. Make them again: etl-assets derive."
        )
    return told


def _other_code(line: "TableStatus") -> str:
    if not line.days_of_other_code:
        return ""
    what = (
        f"{line.table} was made by other code"
        if line.days_of_other_code == [WHOLE]
        else f"{line.table}: {count_of(len(line.days_of_other_code), 'day')} made by other code"
    )
    return f"{what} {_THAN_NOW} Make it again: {_made_again(line)}."


def _all_other_code(lines: "Iterable[TableStatus]") -> list[str]:
    several = list(lines)
    tables = some_named(
        line.table
        if line.days_of_other_code == [WHOLE]
        else f"{line.table} ({count_of(len(line.days_of_other_code), 'day')})"
        for line in several
    )
    paths = " ".join(line.table for line in several)
    days = [day for line in several for day in line.days_of_other_code if day != WHOLE]
    span = f" --from {min(days)} --to {max(days)}" if days else ""
    return [
        f"Made by other code {_THAN_NOW[:-1]}: {tables}. Make them again: etl-assets backfill "
        f"{paths}{span}."
    ]


_THAN_NOW = "than that at hand (transform, contract or source)."


def _made_again(line: "TableStatus") -> str:
    days = line.days_of_other_code
    return _backfill(line.table) if days == [WHOLE] else _backfill(line.table, days[0], days[-1])


def _undeclared(line: "TableStatus") -> str:
    return "" if line.is_declared else f"{line.table} is published, and no module declares it."


def _all_undeclared(lines: "Iterable[TableStatus]") -> list[str]:
    return [f"Published, and no module declares them: {some_named(line.table for line in lines)}."]


def some_named(texts: Iterable[str]) -> str:
    """The first of them, and how many others there are."""
    every = list(texts)
    more = len(every) - MOST_TABLES
    shown = ", ".join(every[:MOST_TABLES])
    return f"{shown}, and {count_of(more, 'more table', 'more tables')}" if more > 0 else shown


def _backfill(table: str, first: date | None = None, last: date | None = None) -> str:
    days = f" --from {first} --to {last}" if first else ""
    return f"etl-assets backfill {table}{days}"


def _some(days: Sequence[date]) -> str:
    shown = ", ".join(map(str, days[:SHOWN]))
    return f"{shown}, …" if len(days) > SHOWN else shown
