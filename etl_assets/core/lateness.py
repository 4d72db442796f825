"""Which derived days are behind what they are made of: late data as a signal. Pure.

A derived day remembers, as a digest, the very loads of its inputs that it was made of; it is late
when these are no longer the published ones. No clock takes part, so no change can fall between.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from etl_assets.core.audit import fingerprint
from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import PartitionState
from etl_assets.core.table import Input, LayerTable


@dataclass(frozen=True)
class Loads:
    """The published loads of one table: `load_id` by day."""

    by_day: Mapping[date, str] = field(default_factory=dict)

    def of(self, day: date, given: Input) -> str:
        """A digest of what a day of this input is: its own load, or all until then.

        An input without days is one load; a table without days (`WHOLE`) is made of all loads.
        """
        if WHOLE in self.by_day:
            return self.by_day[WHOLE]
        if day == WHOLE:
            return self._until[self._days[-1]] if self._days else ""
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
    """The digest of the loads that the day is made of; `inputs` by the names of `table.inputs`.

    An input whose change makes no day late is left out.
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


def late_days(tables: Mapping[str, LayerTable], states: Iterable[PartitionState]) -> list[Late]:
    """Every derived day that is behind its inputs, upstream tables first.

    A day that was never made counts where all of its inputs' own days are published; the only
    part of a table without days (`WHOLE`) counts where each of its inputs has published anything.
    A day waits while one of its inputs is late itself: it would have to be made twice.
    """
    by_table: dict[str, dict[date, PartitionState]] = {path: {} for path in tables}
    for known in states:
        by_table.setdefault(known.table_name, {})[known.partition_key] = known
    loads = {
        path: Loads({day: state.load_id for day, state in found.items()})
        for path, found in by_table.items()
    }
    late: dict[str, dict[date, Late]] = {}
    for path, table in tables.items():
        inputs = {name: given.asset for name, given in table.inputs.items()}
        late[path] = {}
        if not inputs:
            continue
        made = {name: loads[asset] for name, asset in inputs.items()}
        for day in sorted(_makeable(table, [by_table[asset] for asset in inputs.values()])):
            wanted = made_of(table, made, day)
            state = by_table[path].get(day)
            if state is not None and state.made_of == wanted:
                continue
            if not _waits(table, day, late):
                late[path][day] = Late(path, day, wanted, _why(table, day, state, by_table))
    return [one for found in late.values() for one in found.values()]


def _makeable(table: LayerTable, inputs: Sequence[Mapping[date, PartitionState]]) -> set[date]:
    """The days that every input has published; of inputs without days, that there is anything."""
    if not all(inputs):
        return set()
    if not table.has_days:
        return {WHOLE}
    daily = [set(published) for published in inputs if WHOLE not in published]
    return set.intersection(*daily) if daily else set()


def _waits(table: LayerTable, day: date, late: Mapping[str, Mapping[date, Late]]) -> bool:
    return any(
        _is_part_of(day, given, known)
        for given in table.inputs.values()
        if given.makes_late
        for known in late.get(given.asset, {})
    )


def _is_part_of(day: date, given: Input, known: date) -> bool:
    """Whether a table's `day` is made of the day `known` of that input."""
    return WHOLE in (day, known) or known == day or (given.all_days_until and known < day)


def _why(
    table: LayerTable,
    day: date,
    state: PartitionState | None,
    by_table: Mapping[str, Mapping[date, PartitionState]],
) -> str:
    if state is None:
        return "was never made"
    newer = [
        f"{given.asset} {known} (run {upstream.run_id[:8]})"
        for given in table.inputs.values()
        if given.makes_late
        for known, upstream in sorted(by_table[given.asset].items())
        if _is_part_of(day, given, known) and upstream.updated_at >= state.as_of
    ]
    shown = ", ".join(newer[:3]) + (f" and {len(newer) - 3} more" if len(newer) > 3 else "")
    return f"made before {shown or 'its inputs were last published'}"
