"""Setting the position of a sync back, so that everything that changed since is read again."""

from dataclasses import replace
from datetime import datetime

from etl_assets.core.cursor import FIRST
from etl_assets.core.errors import ConfigError, StateError
from etl_assets.core.position import Position
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.sync_log import Log, named, position_of, with_token
from etl_assets.warehouse.base import Warehouse


def rewind(
    warehouse: Warehouse,
    table: LayerTable,
    to: datetime | int | None,
    why: str = "set back by hand",
) -> Position | None:
    """Set the position back to a moment (UTC) or, of a cursor that is a version, to a number; None
    is before everything. Returns where it stood.

    Everything that changed since is read again; what is published already is left as it is. Raises
    ConfigError for a place that is not before the position, LostTurn where a sync is at work.
    """
    state = warehouse.table_state(table)
    if state is None:
        raise ConfigError(f"{table.path} was never published.", "There is nothing to set back.")
    try:
        before = stood = position_of(table, state)
    except StateError:  # what is damaged is set back by this
        if isinstance(to, int):
            raise ConfigError(
                f"Where {table.path} stood is not known: its position is damaged.",
                "Go on from the beginning: --everything.",
            ) from None
        before, stood = None, Position(state.high_watermark or FIRST)
    now = _place(table, to, stood.moment if stood else FIRST)
    if stood and now and now.place >= stood.place:
        raise ConfigError(
            f"The position of {table.path} is {_shown(stood)}; {_shown(now)} is not before it, and "
            "what lies between would never be read.",
            "Name an earlier place.",
        )
    moved = replace(
        state,
        high_watermark=now.moment if now else None,
        watermark_key=now.as_text(named(table)) if now else None,
    )
    entry = Log(table, "rewind").moved(before, now, why, 0)
    warehouse.move(with_token(moved, "rewind"), state.load_id, [entry])
    return stood


def _place(table: LayerTable, to: datetime | int | None, stood: datetime) -> Position | None:
    """The position of what somebody named; `stood` is the moment of a version's position."""
    if to is None:
        return None
    is_number = table.cursor is not None and not table.cursor.has_moments
    if isinstance(to, int) is not is_number:
        raise ConfigError(
            f"The cursor of {table.path} is {'a version' if is_number else 'a moment'}.",
            f"Name {'its number: --to 1200' if is_number else 'a moment: --to 2024-01-31T12:00'}.",
        )
    return Position(stood, number=to) if isinstance(to, int) else Position(to)


def _shown(position: Position) -> str:
    return position.moment.isoformat() if position.number is None else position.shown
