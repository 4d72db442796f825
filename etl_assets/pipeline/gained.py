"""Columns that a contract gained: brought to the published table, and noted for each part.

Called where work on a table begins, so that rows can be read by the contract from then on. The
parts that lack values are on the table's list of parts that must be loaded whole, which syncs and
sensors work off (`run_days.py`), so many at a time.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from etl_assets.core.frames import DAY
from etl_assets.core.gained import gained_columns, is_filled_again, stricter_columns
from etl_assets.core.keeping import is_closed
from etl_assets.core.reload_reasons import lacks, lacks_of, with_lacks
from etl_assets.core.state import TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.sync_log import Log, with_token
from etl_assets.pipeline.turns import in_turn
from etl_assets.warehouse.base import Warehouse


def bring_columns(warehouse: Warehouse, table: LayerTable, run_id: str) -> Sequence[str]:
    """Add the columns that the contract gained to the published table; which they are.

    Each published part that has no values of them, or NULL where the contract refuses that now, is
    to be loaded again from then on. It costs a look at the table's row where the contract is as it
    was. Raises WarehouseError where the table differs in another way, with what to run.
    """
    state = warehouse.table_state(table)
    if state is None or not is_news(table, state):
        return ()
    return in_turn(lambda: _bring(warehouse, table, run_id))


def is_news(table: LayerTable, state: TableState) -> bool:
    """Whether the contract gained a column since the last publication, or requires one more."""
    unknown = state.published_columns is None
    return unknown or bool(gained_columns(table, state) or stricter_columns(table, state))


def _bring(warehouse: Warehouse, table: LayerTable, run_id: str) -> Sequence[str]:
    state = warehouse.table_state(table)
    if state is None or not is_news(table, state):
        return ()
    added = warehouse.ensure(table)
    gained = gained_columns(table, state)
    if state.published_columns is None:
        gained = [name for name in added if name != table.kept_column]
    reasons = dict(state.reload_reasons)
    if is_filled_again(table):
        mark = uuid.uuid4().hex[:8]
        for day, names in _lacking(warehouse, table, state, gained).items():
            known = lacks_of(reasons.get(day, ""))
            text = lacks([*known, *(name for name in names if name not in known)], mark)
            reasons[day] = with_lacks(reasons.get(day), text)
    after = state.with_days_to_reload(reasons).with_columns(table.required_columns)
    told = {"columns": list(gained), "parts": len(reasons) - len(state.reload_reasons)}
    entry = Log(table, run_id).gained(told)
    history = [entry] if gained else []
    warehouse.move(with_token(after, run_id), state.load_id, history)
    return gained


def _lacking(
    warehouse: Warehouse, table: LayerTable, state: TableState, gained: Sequence[str]
) -> Mapping[date, Sequence[str]]:
    now = datetime.now(UTC)
    states = [one for one in warehouse.state(table) if one.row_count]
    # Of a closed day the source need not have the rows any more.
    parts = [one.partition_key for one in states if not is_closed(table, one.partition_key, now)]
    found: dict[date, list[str]] = {day: list(gained) for day in parts} if gained else {}
    stricter = stricter_columns(table, state)
    if stricter and parts:
        for row in warehouse.profile(table, parts, stricter).to_dicts():
            names = [name for name in stricter if row[name]]
            if names:
                found.setdefault(row[DAY], []).extend(names)
    return found
