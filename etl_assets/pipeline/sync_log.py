"""What is remembered between syncs, in a table's row of `etl_tables`, and the log of its changes.

The position, the source's columns, the days of the platform and the days that must be loaded whole
are read here and written with the rows that they belong to (`sync.py`). Setting the position back
is `rewind.py`, changing the list of days `reloads.py`.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from etl_assets.core import drift
from etl_assets.core.drift import SourceColumns
from etl_assets.core.errors import StateError
from etl_assets.core.position import Horizon, Position, cursor_in
from etl_assets.core.reload_reasons import then
from etl_assets.core.scope import Scope
from etl_assets.core.state import Happening, HistoryEntry, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse


def position_of(table: LayerTable, state: TableState | None) -> Position | None:
    """Where the next sync goes on; None where no sync was here: then every row is read (L6).

    It is None as well where the position is one of a cursor that the table does not have any more.
    Raises StateError for what no sync has written.
    """
    if state is None or state.high_watermark is None or is_of_another_cursor(table, state):
        return None
    try:
        position = Position.from_text(state.high_watermark, state.watermark_key or "[]")
    except ValueError:
        position = None
    has_number = table.cursor is not None and not table.cursor.has_moments
    if (
        position is None
        or len(position.key) not in {0, len(table.key)}
        or (position.number is not None) is not has_number
    ):
        raise StateError(
            f"The position of {table.path} in etl_tables is damaged: its watermark_key is not a "
            f"list of {len(table.key)} texts{' and a version' if has_number else ''}.",
            f"Set it back to an earlier place: {_rewind(table)}.",
        )
    return position


def mark_of(
    table: LayerTable, state: TableState | None, scope: Scope
) -> tuple[Position | None, str]:
    """The position to go on from, None for the beginning, and the reason for the log.

    `scope` are the days that the platform has now. Raises StateError for what no sync has written.
    """
    known_days = scope_seen(state)
    if known_days is not None and scope.is_wider_than(known_days):
        return None, "days were added"  # rows of these were passed over
    if is_of_another_cursor(table, state):
        return None, "the table has another cursor"  # whose order says nothing of this one's
    return position_of(table, state), "sync"


def is_of_another_cursor(table: LayerTable, state: TableState | None) -> bool:
    """Whether the stored position is one of a cursor that the table does not have any more.

    A position of a single column of moments does not name it: such were the only ones once.
    """
    if state is None or state.high_watermark is None:
        return False
    try:
        stored = cursor_in(state.watermark_key)
    except ValueError:
        return False  # which `position_of` refuses
    return stored != named(table)


def refuse_future(table: LayerTable, position: Position | None, horizon: Horizon) -> None:
    """Raises StateError for a position after the source's clock: it would pass changes by (L6)."""
    if position is not None and position.moment > horizon.now + table.lookback:
        raise StateError(
            f"The position of {table.path} is {position.moment:%Y-%m-%d %H:%M:%S} UTC, which is "
            f"later than the source's clock ({horizon.now:%Y-%m-%d %H:%M:%S}).",
            f"Find out which of the two is wrong, then set it back: {_rewind(table)}.",
        )


def named(table: LayerTable) -> str | None:
    """What a stored position names its cursor; None where it is a single column of moments."""
    return None if table.cursor is None or table.cursor.is_plain else table.cursor.identity


def columns_seen(state: TableState | None) -> SourceColumns | None:
    """The source's columns when they were seen last, None if never."""
    return drift.from_json(state.source_columns) if state and state.source_columns else None


def scope_seen(state: TableState | None) -> Scope | None:
    """The days that the platform had when the table was synced last, None if it never was."""
    return Scope(state.first_day, state.last_day) if state and state.first_day else None


@dataclass(frozen=True)
class Remembered:
    """What is to be remembered of a table from now on, and why; None leaves it as it is.

    `position` always takes the place of the one before; `rows` were read for it.
    """

    position: Position | None
    why: str = "sync"
    rows: int = 0
    source_columns: SourceColumns | None = None
    scope: Scope | None = None

    def state(
        self, table: LayerTable, before: TableState, reload: Mapping[date, str]
    ) -> TableState:
        """The table's row afterwards, but for its token; `reload` are more days to be loaded."""
        mark = self.position
        state = replace(
            before,
            high_watermark=mark.moment if mark else None,
            watermark_key=mark.as_text(named(table)) if mark else None,
        )
        if self.source_columns is not None:
            state = replace(state, source_columns=drift.to_json(self.source_columns))
        if self.scope is not None:
            state = replace(state, first_day=self.scope.first, last_day=self.scope.last)
        if not reload:
            return state
        known = before.reload_reasons
        told = {day: then(known.get(day), why) for day, why in reload.items()}
        return state.with_days_to_reload({**known, **told})

    def entries(
        self, table: LayerTable, before: TableState | None, after: TableState, run_id: str
    ) -> list[HistoryEntry]:
        """What the log says of it: an entry for each thing that changed."""
        log = Log(table, run_id)
        entries = []
        if after.source_columns != (before.source_columns if before else None):
            entries.append(log.entry(Happening.COLUMNS, after.source_columns or "{}"))
        if scope_seen(after) != scope_seen(before) and self.scope:
            entries.append(log.scope(self.scope))
        moved_from = position_of(table, before)
        if self.position != moved_from and self.rows:
            entries.append(log.moved(moved_from, self.position, self.why, self.rows))
        if after.days_to_reload != (before.days_to_reload if before else None):
            entries.append(log.entry(Happening.RELOAD, after.days_to_reload or "{}"))
        return entries


@dataclass(frozen=True)
class Log:
    """Makes entries of `etl_history` for one table and run."""

    table: LayerTable
    run_id: str

    def moved(
        self, before: Position | None, now: Position | None, why: str, rows: int
    ) -> HistoryEntry:
        """The position moved; `rows` were read for it."""
        told = {"from": _told(before), "to": _told(now), "why": why, "rows": rows}
        return self.entry(Happening.WATERMARK, json.dumps(told))

    def scope(self, scope: Scope) -> HistoryEntry:
        """The platform has these days now."""
        last = scope.last.isoformat() if scope.last else None
        told = {"first": scope.first.isoformat(), "last": last}
        return self.entry(Happening.SCOPE, json.dumps(told))

    def gained(self, told: Mapping[str, object]) -> HistoryEntry:
        """The contract gained columns."""
        return self.entry(Happening.GAINED, json.dumps(told, ensure_ascii=False))

    def reconciled(self, payload: Mapping[str, object]) -> HistoryEntry:
        """A reconciliation found this."""
        return self.entry(Happening.RECONCILIATION, json.dumps(payload))

    def entry(self, kind: Happening, payload: str) -> HistoryEntry:
        """An entry of this moment; `payload` is JSON."""
        return HistoryEntry(self.table.path, kind, datetime.now(UTC), self.run_id, payload)


def blank(table: LayerTable, run_id: str, as_of: datetime) -> TableState:
    """The row of a table that nothing was published of."""
    return TableState(table.path, "", run_id, as_of, datetime.now(UTC))


def with_token(state: TableState, run_id: str, as_of: datetime | None = None) -> TableState:
    """The same row with a token of its own, as a run leaves it."""
    return replace(
        state,
        load_id=uuid.uuid4().hex,
        run_id=run_id,
        as_of=max(as_of, state.as_of) if as_of else state.as_of,
        updated_at=datetime.now(UTC),
    )


def remember_columns(
    warehouse: Warehouse, table: LayerTable, columns: SourceColumns, run_id: str
) -> None:
    """Put the source's columns on record where they are not those of last time; raises LostTurn."""
    state = warehouse.table_state(table)
    text = drift.to_json(columns)
    if state is not None and state.source_columns == text:
        return
    before = state or blank(table, run_id, datetime.now(UTC))
    entry = Log(table, run_id).entry(Happening.COLUMNS, text)
    after = with_token(replace(before, source_columns=text), run_id)
    warehouse.move(after, state.load_id if state else None, [entry])


def _told(position: Position | None) -> dict[str, object] | None:
    if position is None:
        return None
    told: dict[str, object] = {"moment": position.moment.isoformat(), "key": position.key}
    return told if position.number is None else {**told, "version": position.number}


def _rewind(table: LayerTable) -> str:
    is_number = table.cursor is not None and not table.cursor.has_moments
    return (
        f"etl-assets state rewind {table.path} --to <{'version' if is_number else 'moment in UTC'}>"
    )
