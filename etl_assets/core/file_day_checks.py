"""Where the day of a table of files comes from, and what must be declared for it. Pure.

What else can be wrong with a spec is `spec_checks.py`.
"""

from collections.abc import Iterator
from typing import get_args

from etl_assets.core.faults import Fault
from etl_assets.core.source_specs import DayFrom, Files
from etl_assets.core.table import LayerTable

_PATTERN = "Write {day:%Y-%m-%d} where the key has the day"


def day_faults(table: LayerTable, source: Files) -> Iterator[Fault]:
    """What does not go together of `day_from`, the pattern, the columns and the contract's key."""
    kind = source.day_from
    if kind not in get_args(DayFrom):
        told = " or ".join(f'"{one}"' for one in get_args(DayFrom))
        yield Fault("source", f"day_from is {kind!r}.", f"Write {told}.")
        return
    if not table.has_days:
        if kind != "key":
            yield Fault(
                "source",
                f'day_from is "{kind}" and the table has no days.',
                "Leave it out, or name a partition_column.",
            )
        return
    yield from _pattern_faults(source)
    if kind == "key":
        yield from _key_faults(table, source)
    elif kind == "arrival":
        yield from _arrival_faults(table, source)
    else:
        yield from _row_faults(table, source)


def _pattern_faults(source: Files) -> Iterator[Fault]:
    kind, has_day = source.day_from, source.keys.has_day
    if kind == "key" and not has_day:
        yield Fault(
            "source",
            f"the pattern {source.pattern!r} does not say which day an object is of.",
            f'{_PATTERN}, or day_from="arrival" for the day on which an object was written, '
            'day_from="rows" for a column of the files, or partition_column=None for a table '
            "without days.",
        )
    if kind != "key" and source.complete is not None:
        yield Fault(
            "source",
            f'complete: a marker or manifest is one of a day\'s objects, and day_from is "{kind}".',
            "Leave complete out, or write {day:%Y-%m-%d} where the key has the day.",
        )
    if kind != "key" and has_day:
        yield Fault(
            "source",
            f'the pattern {source.pattern!r} says a day, and day_from is "{kind}".',
            "Write ** or * for {day:…}, or leave day_from out.",
        )


def _key_faults(table: LayerTable, source: Files) -> Iterator[Fault]:
    if not {source.day_column, source.file_column} & set(table.key):
        yield Fault(
            "source",
            f"the key of {table.contract.__name__} ({', '.join(table.key)}) says neither the day "
            "nor the file: a row that comes again in the file of another day would be the same "
            "one.",
            "Add the day_column or the file_column to the contract's Config.unique.",
        )


def _arrival_faults(table: LayerTable, source: Files) -> Iterator[Fault]:
    if source.day_column is None or source.day_column != table.partition_column:
        yield Fault(
            "source",
            f'day_from is "arrival" and day_column is {source.day_column!r}, which is not the '
            f"partition_column {table.partition_column!r}.",
            "Name one column of dates as both: it takes the day of arrival.",
        )
    elif source.day_column not in table.key:
        yield _day_not_in_key(table, "an object that is written again is of another day")


def _row_faults(table: LayerTable, source: Files) -> Iterator[Fault]:
    if source.day_column is not None:
        yield Fault(
            "source",
            f'day_from is "rows" and day_column is {source.day_column!r}, which no file has.',
            "Leave day_column out: the files' own column is the partition_column.",
        )
    elif table.partition_column in {*source.borrowed, table.overflow_column}:
        yield Fault(
            "partition_column",
            f'day_from is "rows" and {table.partition_column!r} is no column of the files.',
            "Name the column of the files that has the day.",
        )
    elif table.partition_column not in table.key:
        yield _day_not_in_key(table, "a file that is written again may have a row on another day")


def _day_not_in_key(table: LayerTable, why: str) -> Fault:
    return Fault(
        "source",
        f"the key of {table.contract.__name__} ({', '.join(table.key)}) does not say the day: "
        f"{why}, and would be on both until both are loaded.",
        f"Add {table.partition_column!r} to the contract's Config.unique.",
    )
