"""What is recorded of a table when work on it begins: a sync, a comparison, a repair.

What a publication changes is decided in `change_set.py` and `warehouse/planning.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from etl_assets.core.state import PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import Recorded


@dataclass(frozen=True)
class Before:
    """What is recorded of a table when the work begins; publication fails if that has changed.

    Its row is read first, all else when it is asked for: what is read later is as new as the row's
    token, or newer, and then nothing is published (LostTurn).
    """

    warehouse: Warehouse
    table: LayerTable
    table_state: TableState | None

    @classmethod
    def of(cls, warehouse: Warehouse, table: LayerTable) -> "Before":
        """What is recorded now."""
        return cls(warehouse, table, warehouse.table_state(table))

    @cached_property
    def recorded(self) -> Recorded:
        """The same, with the states of its parts, of its versions and counts of its quarantine."""
        found = self.warehouse.recorded(self.table, versions=True, quarantine=True)
        return replace(found, table_state=self.table_state)

    @property
    def states(self) -> Mapping[date, PartitionState]:
        """The states of its parts."""
        return self.recorded.states

    @property
    def quarantine_counts(self) -> Mapping[date, int]:
        """How many rows of each part are in quarantine."""
        return self.recorded.quarantine_counts
