"""What is wrong with the cursor of a spec: columns that cannot be one. Pure.

Whether the source has an index for it is said by `etl-assets doctor`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import get_args

import polars as pl

from etl_assets.core.contracts import Column, Contract, columns_of
from etl_assets.core.cursor import (
    CursorColumn,
    CursorKind,
    Epoch,
    EpochUnit,
    Version,
    cursor_of,
    names_of,
)
from etl_assets.core.faults import Fault
from etl_assets.core.table import LayerTable

FIELD = "cursor_column"
_UTC = 'Annotated[pl.Datetime, "us", "UTC"]'
_INTEGERS = (pl.Int16, pl.Int32, pl.Int64)
_OR_NONE = "Or write cursor_column=None: then the table is loaded whole or by days, and reconciled."


def cursor_faults(table: LayerTable) -> Iterator[Fault]:
    """The faults of a table's cursor; none where it has none."""
    declared = table.cursor_column
    if declared is not None:
        contract = table.contract.__name__
        yield from _faults(declared, {c.name: c for c in table.columns}, contract)


def version_faults(
    declared: CursorColumn | None, contract: type[Contract], *, keeps: bool
) -> Iterator[Fault]:
    """What keeps versions from being told apart, in a table that `keeps` them."""
    if not keeps:
        return
    if declared is None:
        yield Fault(
            "keep_versions",
            "versions are told apart by their cursor, and the table has none.",
            "Name a cursor_column, or leave keep_versions out.",
        )
        return
    cursor = cursor_of(declared, _columns(contract))
    if cursor is not None and cursor.kind is CursorKind.DAY:
        yield Fault(
            "keep_versions",
            f"the cursor {cursor.shown} is a date, and would tell one version a day apart.",
            "Name a column of moments or a Version as cursor_column, or leave keep_versions out.",
        )


def fitting(declared: CursorColumn | None, contract: type[Contract]) -> CursorColumn | None:
    """The same cursor where it can be one of the contract's columns, else None."""
    columns = {column.name: column for column in _columns(contract)}
    if declared is None or any(_faults(declared, columns, "")):
        return None
    return declared


def _faults(
    declared: CursorColumn, columns: Mapping[str, Column], contract: str
) -> Iterator[Fault]:
    names = names_of(declared)
    if not names:
        yield Fault(FIELD, "it names no column.", "Name one, or write None.")
        return
    missing = [name for name in names if name not in columns]
    for name in missing:
        rest = "Or None if rows do not say when they changed."
        fit = _that_fit(columns.values())
        which = f"Write one of its columns: {', '.join(fit)}." if fit else "It has none that fits."
        yield Fault(FIELD, f"{contract} has no column {name!r}.", f"{which} {rest}")
    if missing:
        return
    yield from _number_faults(declared)
    for name in names:
        yield from _dtype_faults(declared, columns[name], contract)
    if len({str(columns[name].dtype) for name in names}) > 1:
        dtypes = ", ".join(f"{name!r} is {columns[name].dtype}" for name in names)
        yield Fault(
            FIELD,
            f"the greatest of several columns needs one dtype, and {dtypes}.",
            "Declare them with the same dtype, or name one of them.",
        )


def _number_faults(declared: CursorColumn) -> Iterator[Fault]:
    units = get_args(EpochUnit)
    if isinstance(declared, Epoch) and declared.unit not in units:
        yield Fault(
            FIELD,
            f"an Epoch has no unit {declared.unit!r}.",
            f"Write one of {', '.join(map(repr, units))}.",
        )
    if isinstance(declared, Version) and not (
        isinstance(declared.lookback, int) and declared.lookback >= 0
    ):
        yield Fault(
            FIELD, "lookback of a Version counts numbers.", "Write a whole number from 0 on."
        )


def _dtype_faults(declared: CursorColumn, column: Column, contract: str) -> Iterator[Fault]:
    name, dtype = column.name, column.dtype
    is_number = isinstance(dtype, _INTEGERS)
    what = f"{name!r} of {contract} is {dtype}"
    if isinstance(declared, Epoch | Version):
        if not is_number:
            kind = type(declared).__name__
            yield Fault(
                FIELD,
                f"{what}, and {kind} is for whole numbers.",
                f"Declare it as pl.Int64. {_OR_NONE}",
            )
    elif is_number:
        yield Fault(
            FIELD,
            f"{what}, and a number does not say what it counts.",
            f'Write cursor_column=Epoch("{name}", unit="milliseconds") for a time since 1970, or '
            f'Version("{name}") for numbers that one sequence gives to every change of the table; '
            f"a counter of each row, which begins at 1, can be no cursor. {_OR_NONE}",
        )
    elif isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        yield Fault(
            FIELD,
            f"{what}, which has no time zone, so it is no moment.",
            f"Declare it as {_UTC}; where the source's type is timestamp, say in which zone its "
            f'clock is: column(source_zone="Europe/Berlin"). {_OR_NONE}',
        )
    elif not isinstance(dtype, pl.Datetime | pl.Date):
        yield Fault(
            FIELD,
            f"{what}, which does not tell in what order rows changed.",
            "Name a column of timestamps, dates or whole numbers that is set on every change. "
            + _OR_NONE,
        )


def _that_fit(columns: Collection[Column] | Iterable[Column]) -> list[str]:
    return [
        column.name
        for column in columns
        if isinstance(column.dtype, pl.Date)
        or (isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None)
    ]


def _columns(contract: type[Contract]) -> Sequence[Column]:
    """The columns of what should be a contract; none where it cannot be read."""
    try:
        return columns_of(contract)
    except Exception:  # `spec_checks.py` says what is wrong with it
        return ()
