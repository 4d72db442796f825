"""How many rows and bytes went through this process: counters, which whoever shows them reads.

They belong to the process, as a service's metrics do: each batch that is checked is counted, and no
function has to hand a callback down for it. Nothing is decided by them.
"""

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reading:
    """Rows, and their bytes in memory, of all tables together."""

    rows: int = 0
    bytes: int = 0

    def __sub__(self, earlier: "Reading") -> "Reading":
        return Reading(self.rows - earlier.rows, self.bytes - earlier.bytes)


@dataclass
class Meter:
    """Counts; safe to be called by several threads."""

    _now: Reading = Reading()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, rows: int, size: int) -> None:
        """Add rows, and their bytes in memory."""
        with self._lock:
            self._now = Reading(self._now.rows + rows, self._now.bytes + size)

    def read(self) -> Reading:
        """All that was counted since the process began."""
        return self._now


METER = Meter()
"""The counters of this process."""
