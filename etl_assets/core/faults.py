"""What is wrong with a spec, and the error that says all of it: see `spec_checks.py` for what.

A fault is said once, whatever the number of tables that have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from etl_assets.core.errors import SpecError


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: the spec's field, what it is, and what to write instead."""

    field: str
    what: str
    write: str


def refuse(kind: str, name: object, faults: Sequence[Fault]) -> None:
    """Raises SpecError that says all the faults of the spec, if there are any."""
    if faults:
        *earlier, last = _together(faults)
        told = [f"{fault.field}: {fault.what} {fault.write}" for fault in earlier]
        what = " ".join([f"{kind} {name}:", *told, f"{last.field}: {last.what}"])
        raise SpecError(what, last.write, table=str(name), field=faults[0].field)


def _together(faults: Sequence[Fault]) -> list[Fault]:
    """What both layers share is said once, with the fields of both."""
    by_text: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        names = by_text.setdefault((fault.what, fault.write), [])
        names += [] if fault.field in names else [fault.field]
    return [Fault(" and ".join(names), what, write) for (what, write), names in by_text.items()]
