"""The days that must be loaded whole, in a table's state: changed by hand or by a run.

What puts days there is `core/reload_reasons.py`; who loads them is a sync, or the late sensor.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime

from etl_assets.core.state import Happening, TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.sync_log import Log, blank, with_token
from etl_assets.warehouse.base import Warehouse


def change_reloads(
    warehouse: Warehouse,
    table: LayerTable,
    reasons: Mapping[date, str],
    run_id: str,
    *,
    adding: bool = False,
) -> None:
    """Give days that must be loaded whole these reasons; raises LostTurn.

    Days that are not on the list any more, because somebody published them, stay off it, unless
    `adding`. Nothing is written where that changes nothing, or the table was never published.
    """
    state = warehouse.table_state(table)
    if state is None:
        return
    known = state.reload_reasons
    told = {day: why for day, why in reasons.items() if adding or day in known}
    put_reloads(warehouse, table, state, {**known, **told}, run_id)


def forget_reloads(
    warehouse: Warehouse, table: LayerTable, days: Collection[date], run_id: str
) -> None:
    """Take days off the list of those that must be loaded whole; raises LostTurn."""
    state = warehouse.table_state(table)
    if state is not None:
        kept = {day: why for day, why in state.reload_reasons.items() if day not in days}
        put_reloads(warehouse, table, state, kept, run_id)


def put_reloads(
    warehouse: Warehouse,
    table: LayerTable,
    before: TableState | None,
    reasons: Mapping[date, str],
    run_id: str,
) -> None:
    """Let exactly these be the days that must be loaded whole; raises LostTurn.

    `before` is the table's row that this was decided on, None where nothing was ever published.
    """
    base = before or blank(table, run_id, datetime.now(UTC))
    after = base.with_days_to_reload(reasons)
    if after == base:
        return
    entry = Log(table, run_id).entry(Happening.RELOAD, after.days_to_reload or "{}")
    warehouse.move(with_token(after, run_id), before.load_id if before else None, [entry])
