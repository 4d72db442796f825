"""What is wrong with the spec of a dimension, as far as the spec alone tells it.

What its input has to be is `catalog.py`, what every table's contract has to be `spec_checks.py`.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.contracts import Column, columns_of, key_of
from etl_assets.core.dimension_input import Changes, Snapshots
from etl_assets.core.faults import Fault
from etl_assets.core.history import MOMENT

if TYPE_CHECKING:
    from etl_assets.core.dimension import DimensionSpec

_LISTS = ("key", "tracked", "untracked")


def dimension_faults(spec: "DimensionSpec", own: Collection[str]) -> Iterator[Fault]:
    """The faults of a spec; `own` are the columns that every dimension has."""
    try:
        columns = {column.name: column for column in columns_of(spec.contract)}
        key = tuple(spec.key) or key_of(spec.contract)
    except (TypeError, AttributeError) as error:
        yield Fault("contract", f"it cannot be read ({error}).", "Write a class of columns.")
        return
    forms = list(_forms(spec))
    yield from forms
    if forms:
        return
    yield from _columns(spec, key, columns, own)
    prepare: object = spec.prepare
    if not callable(prepare):
        what = f"{prepare!r} is no function."
        yield Fault("prepare", what, "Write one from a LazyFrame to a LazyFrame, or leave it out.")
    if spec.deletions and isinstance(spec.history, Snapshots):
        yield Fault("deletions", "snapshots say themselves what is gone.", "Leave it out.")
    for name in sorted(set(spec.entity) - set(key)):
        yield Fault("entity", f"{name!r} is no column of the key.", "Name columns of the key.")
    yield from _history(spec, columns)
    yield from _number(spec, own)
    yield from _unknown(spec, key, columns)


def _forms(spec: "DimensionSpec") -> Iterator[Fault]:
    """Fields that are something else than what they are declared to be."""
    for field in _LISTS:
        given: object = getattr(spec, field)
        if isinstance(given, str):
            yield Fault(field, f"{given!r} is a text, not a list.", f"Write ({given!r},).")
    history: object = spec.history
    if not isinstance(history, Changes | Snapshots):
        what = f"{history!r} says neither that rows are changes nor that days are snapshots."
        yield Fault("history", what, "Write Changes(moment=...) or Snapshots(day=...).")
        return
    order: object = getattr(history, "order", ())
    if isinstance(order, str):
        yield Fault(
            "history", f"order={order!r} is a text, not a list.", f"Write order=({order!r},)."
        )


def _columns(
    spec: "DimensionSpec", key: tuple[str, ...], columns: Mapping[str, Column], own: Collection[str]
) -> Iterator[Fault]:
    """Columns that are named and not there, or named twice."""
    history = spec.history
    if isinstance(history, Changes):
        deleted = [] if history.deleted is None else [history.deleted]
        told = [history.moment, *deleted, *history.order]
    else:
        told = [history.day]
    named = {
        "key": key,
        "tracked": spec.tracked,
        "untracked": spec.untracked,
        "entity": list(spec.entity),
        "unknown": list(spec.unknown),
        "history": told,
    }
    for where, names in named.items():
        for name in names:
            if name not in columns:
                offered = f"One of {', '.join(columns)}."
                yield Fault(where, f"{spec.contract.__name__} has no column {name!r}.", offered)
    tracked, untracked = {*spec.tracked}, {*spec.untracked}
    for name in sorted(({*key} | tracked) & untracked | {*key} & tracked):
        yield Fault("untracked", f"{name!r} is named twice.", "Name each column once.")
    for name in sorted({*own} & {*key, *tracked, *untracked}):
        what = f"{name!r} is a column that every dimension has of its own."
        yield Fault("untracked", what, "Give it another name in `prepare`, or leave it out.")


def _history(spec: "DimensionSpec", columns: Mapping[str, Column]) -> Iterator[Fault]:
    """Columns of the history that are of another type than it can use."""
    history = spec.history
    if isinstance(history, Snapshots):
        day = columns.get(history.day)
        if day is not None and (day.dtype != pl.Date() or day.nullable):
            what = f"the day {day.name!r} is {_told(day)}."
            yield Fault("history", what, "Make it pl.Date, not nullable.")
        return
    moment = columns.get(history.moment)
    if moment is not None and (moment.dtype != MOMENT or moment.nullable):
        yield Fault(
            "history",
            f"the moment {moment.name!r} is {_told(moment)}.",
            'Make it Annotated[pl.Datetime, "us", "UTC"] in `prepare` and in the contract, '
            "not nullable.",
        )
    deleted = columns.get(history.deleted or "")
    if deleted is not None and deleted.dtype != pl.Boolean():
        what = f"deleted={deleted.name!r} is {_told(deleted)}."
        yield Fault("history", what, "Make it pl.Boolean in `prepare` and in the contract.")


def _told(column: Column) -> str:
    return f"{column.dtype}{' and may be null' if column.nullable else ''}"


def _number(spec: "DimensionSpec", own: Collection[str]) -> Iterator[Fault]:
    """A surrogate key whose name is taken, or is none."""
    if not spec.sk:
        return
    if not spec.sk.isidentifier():
        yield Fault("sk", f"{spec.sk!r} is no name of a column.", "Write letters, digits and _.")
    elif spec.sk in {*own, *spec.key, *spec.tracked, *spec.untracked}:
        what = f"{spec.sk!r} is a column of the dimension already."
        yield Fault("sk", what, "Write a name of its own, or leave it out.")


def _unknown(
    spec: "DimensionSpec", key: tuple[str, ...], columns: Mapping[str, Column]
) -> Iterator[Fault]:
    """Values of the unknown member that it cannot have."""
    values = {*spec.tracked, *spec.untracked}
    for name, value in spec.unknown.items():
        if name in key:
            what = f"{name!r} is of the key, and the unknown member has none."
            yield Fault("unknown", what, "Leave it out.")
        elif name in columns and name not in values:
            what = f"{name!r} is no column of the dimension."
            yield Fault("unknown", what, "Name tracked and untracked columns.")
        elif name in columns and not _fits(value, columns[name]):
            what = f"{value!r} is no {columns[name].dtype} of {name!r}."
            yield Fault("unknown", what, "Write a value of the column's type.")


def _fits(value: object, column: Column) -> bool:
    try:
        pl.Series([value], dtype=column.dtype, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return False
    return True
