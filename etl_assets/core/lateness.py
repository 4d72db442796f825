"""Which derived parts are behind what they are made of: late data as a signal. Pure.

A derived part remembers, as a digest, the very loads of its inputs that it was made of; it is late
when these are no longer the published ones. No clock takes part, so no change can fall between.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.gained import Lacking
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import reading
from etl_assets.core.state import PartitionState
from etl_assets.core.table import Input, LayerTable

Reads = Callable[[LayerTable], Collection[tuple[str, str]] | None]
"""What a derived table reads, as (path of an input, column); None for every column."""


@dataclass(frozen=True)
class Loads:
    """The published loads of one table: `load_id` by part."""

    by_day: Mapping[date, str] = field(default_factory=dict)

    def of(self, day: date, given: Input) -> str:
        """A digest of what a part of this input is: its own load, its window's, or all until then.

        A table without days has one load, which each day is made of. A table without days that is
        made of this one (`day` is WHOLE) is made of all loads.
        """
        if WHOLE in self.by_day:
            return self.by_day[WHOLE]
        if day == WHOLE:
            return self._until[self._days[-1]] if self._days else ""
        if given.is_window:
            return fingerprint([self.by_day.get(known, "") for known in given.window_of(day)])
        if not given.all_days_until:
            return self.by_day.get(day, "")
        last = bisect_right(self._days, day)
        return self._until[self._days[last - 1]] if last else ""

    @cached_property
    def _days(self) -> Sequence[date]:
        return sorted(self.by_day)

    @cached_property
    def _until(self) -> Mapping[date, str]:
        digests: dict[date, str] = {}
        so_far = ""
        for day in self._days:
            so_far = fingerprint([so_far, day.isoformat(), self.by_day[day]])
            digests[day] = so_far
        return digests


def made_of(table: LayerTable, inputs: Mapping[str, Loads], day: date) -> str:
    """The digest of the loads that the part is made of; `inputs` by the names of `table.inputs`.

    Inputs whose changes make no day late (`Input.makes_late`) are left out.
    """
    return fingerprint(
        [inputs[name].of(day, given) for name, given in table.inputs.items() if given.makes_late]
    )


@dataclass(frozen=True, order=True)
class Late:
    """A derived day that is to be made again: of `wanted`, since `why`."""

    table: str
    day: date
    wanted: str
    why: str


def loads_of(table: LayerTable, given: Input) -> str:
    """Whose loads make a part of the table late: the input's, or of a dimension that its rows look
    up those that changed what they see (`core/readings.py`)."""
    is_looked_up = given.as_of is not None and table.has_days
    return reading(table.path, given.asset) if is_looked_up else given.asset


def loads_by_input(table: LayerTable, loads: Mapping[str, Loads]) -> dict[str, Loads]:
    """The loads that parts of a derived table are made of, by the names of its inputs; `loads` are
    those of every table, by path."""
    return {
        name: loads.get(loads_of(table, given), Loads()) for name, given in table.inputs.items()
    }


def late_days(
    tables: Mapping[str, LayerTable],
    states: Iterable[PartitionState],
    has: Callable[[date], bool] = lambda _day: True,
    lacking: Mapping[str, Lacking] | None = None,
    reads: Reads = lambda _table: None,
) -> list[Late]:
    """Every derived day that is behind its inputs, upstream tables first.

    `has` says which days are made at all: others, as tomorrow, are not late, and no day waits for
    them. A day that was never made counts where all of its inputs' own days are published. A day
    waits while one of its inputs is late itself: it would have to be made twice. `lacking` says by
    table which parts lack a column of the contract: a derived one is late, and one that `reads` the
    column of an input waits until that has it. `reads` gives the (path, column) pairs that a table
    reads, None for all.
    """
    lacking = lacking or {}
    by_table: dict[str, dict[date, PartitionState]] = {path: {} for path in tables}
    for known in states:
        by_table.setdefault(known.table_name, {})[known.partition_key] = known
    loads = {
        path: Loads({day: state.load_id for day, state in found.items()})
        for path, found in by_table.items()
    }
    in_use = any(by_table[path] for path in tables)
    late: dict[str, dict[date, Late]] = {}
    for path, table in tables.items():
        late[path] = {}
        if not table.is_derived:
            continue
        made = loads_by_input(table, loads)
        for day in _days_to_make(table, by_table, in_use=in_use):
            if day != WHOLE and not has(day):
                continue
            wanted = made_of(table, made, day)
            state = by_table[path].get(day)
            lacks = sorted(lacking.get(path, {}).get(day, ())) if state is not None else []
            if state is not None and state.made_of == wanted and not lacks:
                continue
            if _waits(table, day, late) or lacking_inputs(table, day, lacking, reads):
                continue
            why = _why(table, day, state, by_table)
            if lacks:
                why = f"its contract gained {', '.join(lacks)}"
                wanted = fingerprint([wanted, *lacks])
            late[path][day] = Late(path, day, wanted, why)
    return [one for found in late.values() for one in found.values()]


def lacking_inputs(
    table: LayerTable, day: date, lacking: Mapping[str, Lacking], reads: Reads
) -> dict[str, list[str]]:
    """By input the columns that the part of a derived table reads and some part of it lacks."""
    found: dict[str, list[str]] = {}
    for given in table.inputs.values():
        of_input = lacking.get(given.asset, {})
        names = {
            name for known, lacks in of_input.items() if given.reads(day, known) for name in lacks
        }
        pairs = reads(table) if names else None
        read = names if pairs is None else {n for n in names if (given.asset, n) in pairs}
        if read:
            found[given.asset] = sorted(read)
    return found


def _days_to_make(
    table: LayerTable, by_table: Mapping[str, Mapping[date, PartitionState]], *, in_use: bool
) -> Sequence[date]:
    """The parts of which every input is published; what has none waits until others are."""
    published = [by_table.get(given.asset, {}).keys() for given in table.inputs.values()]
    if not table.inputs:
        return [WHOLE] if in_use else []
    if not table.has_days:
        return [WHOLE] if all(published) else []
    by_day = [days for days in published if WHOLE not in days]
    if not all(published) or not by_day:
        return []
    return sorted(set.intersection(*map(set, by_day)))


def _waits(table: LayerTable, day: date, late: Mapping[str, Mapping[date, Late]]) -> bool:
    return any(
        given.reads_any(day, late.get(given.asset, {}))
        for given in table.inputs.values()
        if given.makes_late
    )


def _why(
    table: LayerTable,
    day: date,
    state: PartitionState | None,
    by_table: Mapping[str, Mapping[date, PartitionState]],
) -> str:
    if state is None:
        return "was never made"
    newer = [
        f"{given.asset}{'' if known == WHOLE else f' {known}'} (run {upstream.run_id[:8]})"
        for given in table.inputs.values()
        for known, upstream in sorted(by_table.get(given.asset, {}).items())
        if given.reads(day, known) and upstream.updated_at >= state.as_of
    ]
    shown = ", ".join(newer[:3]) + (f" and {len(newer) - 3} more" if len(newer) > 3 else "")
    return f"made before {shown or 'its inputs were last published'}"
