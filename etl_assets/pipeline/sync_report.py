"""What a sync of one table came to: numbers that add up, and what a person should know of it."""

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from etl_assets.core.wording import count_of, is_or_are, it_or_them

if TYPE_CHECKING:
    from etl_assets.pipeline.sync import Chunk


@dataclass
class SyncReport:
    """What a sync of one table came to, for whoever started it.

    `lacking` says which days lack columns that the contract gained; `loaded_whole` are days that
    were on the list of those that must be loaded so.
    """

    table: str
    rows: int = 0
    changed: int = 0
    removed: int = 0
    outside: int = 0
    without_cursor: int = 0
    days: set[date] = field(default_factory=set)
    drifted: list[str] = field(default_factory=list)
    last: "Chunk | None" = None
    lacking: str = ""
    loaded_whole: set[date] = field(default_factory=set)

    def add(self, chunk: "Chunk") -> None:
        """Count a chunk in."""
        self.rows += chunk.rows
        self.changed += chunk.outcome.changed
        self.removed += chunk.outcome.removed
        self.outside += chunk.outcome.outside
        self.without_cursor += chunk.without_cursor
        self.days |= {day.day for day in chunk.outcome.days}
        self.drifted += chunk.drift.since_last
        self.last = chunk

    def notes(self) -> list[str]:
        """What a person should know: what could not be seen, drifted, or was not loaded."""
        if self.last is None:
            return []
        told = [f"{name} ({shown})" for name, shown in self.last.drift.added]
        notes = list(self.last.horizon.warnings)
        if self.drifted:
            notes.append(f"{self.table}: the source's columns changed: {'; '.join(self.drifted)}.")
        if told:
            notes.append(f"{self.table}: not in the contract, and not read: {', '.join(told)}.")
        if self.outside:
            rows = count_of(self.outside, "row belongs", "rows belong")
            are = is_or_are(self.outside)
            notes.append(
                f"{self.table}: {rows} to no day of this platform, and {are} "
                "not loaded: before ETL_FIRST_DAY, after ETL_LAST_DAY, or without a moment."
            )
        if self.without_cursor:
            rows = count_of(self.without_cursor, "row has", "rows have")
            them = it_or_them(self.without_cursor)
            notes.append(
                f"{self.table}: {rows} no usable cursor (none, or one "
                f"in the future), so every sync reads {them} again. etl-assets doctor {self.table} "
                "says what to write."
            )
        if self.loaded_whole:
            number = len(self.loaded_whole)
            loaded = count_of(number, "day that waited was", "days that waited were")
            notes.append(f"{self.table}: {loaded} loaded whole, and published.")
        if self.lacking:
            notes.append(self.lacking)
        return notes
