"""What is remembered between syncs: the position, the source's columns, the days owed.

The position is the table's own row of `etl_state`, all else is in `etl_history`. What moves it as
rows are published is `syncing.py`; here a person does.
"""

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from etl_assets.core import drift
from etl_assets.core.drift import SourceColumns
from etl_assets.core.errors import ConfigError, StateError
from etl_assets.core.position import Horizon, Position
from etl_assets.core.scope import Scope
from etl_assets.core.state import Happening, HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Look, Warehouse


def position_of(table: LayerTable, row: PartitionState | None) -> Position | None:
    """Where the next sync goes on; None where none was here: then every row is read (L6).

    Raises StateError for what no sync has written.
    """
    if row is None or row.high_watermark is None:
        return None
    try:
        position = Position.from_text(row.high_watermark, row.watermark_key or "[]")
    except ValueError:
        position = None
    if position is None or len(position.key) not in {0, len(table.key)}:
        raise StateError(
            f"The position of {table.path} in etl_state is damaged: its watermark_key is no list "
            f"of {len(table.key)} texts.",
            f"Set it back to a moment before: {_rewind(table)}.",
        )
    return position


def refuse_future(table: LayerTable, position: Position | None, horizon: Horizon) -> None:
    """Raises StateError for a position after the source's clock: it would pass changes by (L6)."""
    if position is not None and position.moment > horizon.now + table.lookback:
        raise StateError(
            f"The position of {table.path} is {position.moment:%Y-%m-%d %H:%M:%S} UTC, which is "
            f"later than the source's clock ({horizon.now:%Y-%m-%d %H:%M:%S}).",
            f"Find out which of the two is wrong, then set it back: {_rewind(table)}.",
        )


def columns_seen(look: Look) -> SourceColumns | None:
    """The source's columns when they were looked at last, None if never."""
    entry = look.newest.get(Happening.COLUMNS)
    return drift.from_json(entry.payload) if entry else None


def owed_days(look: Look) -> list[date]:
    """The days that wait for a full load, since a check refused changes of theirs."""
    entry = look.newest.get(Happening.OWED)
    return [date.fromisoformat(day) for day in json.loads(entry.payload)["days"]] if entry else []


def scope_seen(look: Look) -> Scope | None:
    """The days that the platform had when the table was synced last, None if it never was."""
    entry = look.newest.get(Happening.SCOPE)
    if entry is None:
        return None
    first, last = (json.loads(entry.payload)[name] for name in ("first", "last"))
    return Scope(date.fromisoformat(first), date.fromisoformat(last) if last else None)


@dataclass(frozen=True)
class Log:
    """Makes entries of `etl_history` for one table and run."""

    table: LayerTable
    run_id: str

    def columns(self, columns: SourceColumns) -> HistoryEntry:
        """The source's columns are these now."""
        return self._entry(Happening.COLUMNS, drift.to_json(columns))

    def moved(
        self, before: Position | None, now: Position | None, why: str, rows: int
    ) -> HistoryEntry:
        """The position moved; `rows` were read for it."""
        told = {"from": _told(before), "to": _told(now), "why": why, "rows": rows}
        return self._entry(Happening.WATERMARK, json.dumps(told))

    def owed(self, days: Collection[date]) -> HistoryEntry:
        """These days, and no others, wait for a full load."""
        told = {"days": sorted(day.isoformat() for day in days)}
        return self._entry(Happening.OWED, json.dumps(told))

    def owing(self, look: Look, more: Collection[date]) -> list[HistoryEntry]:
        """These days wait as well, beside those that did before; nothing if there are none."""
        return [self.owed({*more, *owed_days(look)})] if more else []

    def scope(self, scope: Scope) -> HistoryEntry:
        """The platform has these days now."""
        last = scope.last.isoformat() if scope.last else None
        told = {"first": scope.first.isoformat(), "last": last}
        return self._entry(Happening.SCOPE, json.dumps(told))

    def reconciled(self, payload: dict[str, object]) -> HistoryEntry:
        """A reconciliation found this."""
        return self._entry(Happening.RECONCILIATION, json.dumps(payload))

    def _entry(self, kind: Happening, payload: str) -> HistoryEntry:
        return HistoryEntry(self.table.path, kind, datetime.now(UTC), self.run_id, payload)


def rewind(warehouse: Warehouse, table: LayerTable, to: datetime | None) -> datetime | None:
    """Set the position back to a moment (UTC), or to before everything (None); where it stood.

    Everything that changed since is read again; what is published already is left as it is. Raises
    ConfigError for a moment that is not before the position, LostTurn where a sync is at work.
    """
    row = warehouse.table_state(table)
    if row is None:
        raise ConfigError(f"{table.path} was never published.", "There is nothing to set back.")
    stood = row.high_watermark
    if stood is not None and to is not None and to >= stood:
        raise ConfigError(
            f"The position of {table.path} is {stood.isoformat()}; {to.isoformat()} is not before "
            "it, and what lies between would never be read.",
            "Name an earlier moment.",
        )
    try:
        before = position_of(table, row)
    except StateError:  # what is damaged is set back by this
        before = None
    now = Position(to) if to else None
    entry = Log(table, "rewind").moved(before, now, "set back by hand", 0)
    moved = replace(
        row,
        high_watermark=to,
        watermark_key=now.as_text() if now else None,
        load_id=uuid.uuid4().hex,
        updated_at=datetime.now(UTC),
    )
    warehouse.move(moved, row.load_id, [entry])
    return stood


def accept(warehouse: Warehouse, table: LayerTable, columns: SourceColumns) -> None:
    """Put the source's columns on record as they are now: a table that freezes them goes on."""
    warehouse.record([Log(table, "accepted").columns(columns)])


def _told(position: Position | None) -> dict[str, object] | None:
    return {"moment": position.moment.isoformat(), "key": position.key} if position else None


def _rewind(table: LayerTable) -> str:
    return f"etl-assets state rewind {table.path} --to <moment in UTC>"
