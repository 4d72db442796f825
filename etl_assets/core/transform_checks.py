"""What is wrong with the inputs and the transform of a derived table, found in its spec. Pure.

Whether there are tables of these names is checked in `core/catalog.py`.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence

from etl_assets.core.faults import Fault
from etl_assets.core.table import Input, LayerTable


def transform_faults(table: LayerTable, field: str) -> Iterator[Fault]:
    """Inputs that make no sense, and a function that does not take them; `field` is its name."""
    if not table.inputs and table.has_days:
        yield Fault(
            "inputs",
            "a table with days is made of nothing.",
            'Name inputs: {"x": Input("staged/x")}; only a table without days needs none.',
        )
    for name, one in table.inputs.items():
        yield from _window_faults(table, name, one)
    names = [*table.inputs, *(["day"] if table.transform_takes_day else [])]
    given = ", ".join(names)
    if table.transform is None or not _takes(table.transform, names):
        yield Fault(
            field,
            "the function does not take its inputs by name.",
            f"Give it exactly these parameters: {given}.",
        )


def _window_faults(table: LayerTable, name: str, given: Input) -> Iterator[Fault]:
    """A window that is none, or that contradicts what else is said of the input."""
    for field, days in (("days_before", given.days_before), ("days_after", given.days_after)):
        if not isinstance(days, int) or days < 0:
            yield Fault("inputs", f"{field} of {name!r} counts days.", "Write a number from 0 on.")
            return
    if not given.is_window:
        return
    if not table.has_days:
        yield Fault(
            "inputs",
            f"{name!r} is a window of days, and a table without days reads all of them.",
            "Leave days_before and days_after out, or name a partition_column.",
        )
    if given.all_days_until:
        yield Fault(
            "inputs",
            f"{name!r} is a window of days and all days until the own one.",
            "Leave all_days_until out, or days_before and days_after.",
        )
    if given.sets_grain:
        yield Fault(
            "inputs",
            f"{name!r} is a window of days, so a day has not one row for each of its rows.",
            "Leave sets_grain out.",
        )
    if "day" in table.inputs:
        yield Fault(
            "inputs",
            "an input is called 'day', which is what the transform of a window is given as well.",
            "Give the input another name.",
        )


def _takes(transform: Callable[..., object], names: Sequence[str]) -> bool:
    """Whether it can be called with exactly these names; True where Python cannot tell."""
    try:
        signature = inspect.signature(transform)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError:
        return False
    return True
