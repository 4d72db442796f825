"""What is wrong with a spec of a PostgreSQL table: in its parent, and in what it computes. Pure.

What only the source can tell (whether an expression is one) is found when the table is read.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import polars as pl

from etl_assets.core.computed import DayIn, Sql
from etl_assets.core.contracts import Column
from etl_assets.core.faults import Fault
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
# Whatever the machine's own zone is, it is the same nowhere else.
_OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}


@cache
def is_zone(name: str) -> bool:
    """Whether it is the IANA name of a time zone."""
    if not _ZONE.fullmatch(name) or name in _OF_THE_MACHINE:
        return False
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # a folder of zones among them, as "Europe"
        return False
    return True


def zone_advice(name: str) -> str:
    """What to write instead of a name that is no zone."""
    known = {zone.lower(): zone for zone in available_timezones()}
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    names = ", ".join(known[found] for found in near) or "Europe/Berlin"
    return f"Write an IANA name, for example {names}."


def postgres_faults(
    table: LayerTable, source: PostgresTable, declared: Iterable[Column] | None
) -> Iterator[Fault]:
    """What is wrong with the source of a layer table that is read from PostgreSQL.

    `declared` are its columns, None where its contract is none; then there is nothing to compare.
    """
    if declared is None:
        return
    columns = {column.name: column for column in declared}
    for name in source.parent.columns if source.parent else ():
        if name not in columns:
            yield Fault(
                "source",
                f"Parent.columns maps {name!r}, which is no column of {table.contract.__name__}.",
                "Map the contract's names to the parent's.",
            )
    for name, computed in source.computed.items():
        yield from _computed_faults(table, source, name, computed, columns)


def _computed_faults(
    table: LayerTable,
    source: PostgresTable,
    name: str,
    computed: object,
    columns: dict[str, Column],
) -> Iterator[Fault]:
    contract = table.contract.__name__
    if not isinstance(computed, DayIn | Sql):
        yield Fault(
            "source",
            f"computed has {name!r} as {type(computed).__name__}.",
            'Write DayIn("created_at", "Europe/Berlin") or Sql("an expression").',
        )
        return
    if name not in columns:
        kind = "pl.Date" if isinstance(computed, DayIn) else "<dtype of the expression>"
        yield Fault(
            "source",
            f"computed has {name!r}, which is no column of {contract}.",
            f"Declare `{name}: {kind} = column(description=...)` there.",
        )
        return
    if (source.parent and name in source.parent.columns) or name == table.overflow_column:
        yield Fault(
            "source",
            f"{name!r} of {contract} is computed, and comes from elsewhere as well.",
            "Name it once: in Parent.columns, as overflow_column or in computed.",
        )
    if isinstance(computed, Sql):
        if not computed.expression.strip():
            yield Fault(
                "source", f"computed: {name!r} has no expression.", "Write one in Sql(...)."
            )
        return
    if columns[name].dtype != pl.Date:
        yield Fault(
            "source",
            f"computed: {name!r} of {contract} is {columns[name].dtype}, and DayIn gives days.",
            "Declare it as pl.Date.",
        )
    if not is_zone(computed.zone):
        yield Fault(
            "source",
            f"computed: the zone {computed.zone!r} of {name!r} is not known.",
            zone_advice(computed.zone),
        )
    yield from _moment_faults(contract, name, columns.get(computed.column))


def _moment_faults(contract: str, name: str, moment: Column | None) -> Iterator[Fault]:
    """What is wrong with the column whose day is taken; None is for the source to know."""
    if moment is None:
        return
    if not isinstance(moment.dtype, pl.Datetime):
        yield Fault(
            "source",
            f"computed: {name!r} is the day of {moment.name!r}, which is {moment.dtype} in "
            f"{contract}.",
            "Name a column of timestamps.",
        )
    elif moment.dtype.time_zone is None:
        yield Fault(
            "source",
            f"computed: {name!r} is the day of {moment.name!r}, which has no time zone in "
            f"{contract}.",
            f"Declare {moment.name!r} in UTC with the source_zone that its clock is in.",
        )
