"""How many days a backfill from a terminal goes through, for its progress alone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform


@dataclass
class ExpectedDays:
    """The days of each table and window: those that it can have, and once its turn has come those
    that it is run for."""

    platform: Platform
    _counts: dict[tuple[str, Window], int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, platform: Platform, tables: Iterable[LayerTable], windows: Sequence[Window]
    ) -> "ExpectedDays":
        """What is known before anything is loaded. Raises what reading states raises."""
        paths = {table.path for table in tables}
        states = platform.warehouse.seen.state()
        counts = {}
        for window in windows:
            days: dict[str, set[date]] = {}
            for state in states:
                days.setdefault(state.table_name, set()).add(state.partition_key)
            for path, table in platform.catalog.items():  # upstream tables first
                if path in paths:
                    wanted = set(window.days()) if table.has_days else {WHOLE}
                    makeable = _makeable(platform, table, wanted, days)
                    counts[path, window] = len(makeable)
                    days[path] = days.get(path, set()) | makeable
                    if table.versions is not None:
                        days.setdefault(table.versions.path, set()).update(makeable)
        return cls(platform, counts)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self._counts.values())

    def settle(self, table: LayerTable, window: Window, days: Collection[date]) -> None:
        """The table's turn has come, for these days."""
        self._counts[table.path, window] = len(days)
        self.platform.on_work("day", self.total, table.path)


def _makeable(
    platform: Platform, table: LayerTable, wanted: set[date], days: dict[str, set[date]]
) -> set[date]:
    """The days of which each input has or gets its own."""
    for above in platform.catalog.inputs_of(table).values():
        there = days.get(above.path, set())
        if table.has_days and above.has_days:
            wanted = wanted & there
        elif not there:
            return set()
    return wanted
