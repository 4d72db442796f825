"""Columns that a contract gained: brought to the published table, and noted for each part.

Called where work on a table begins, so that rows can be read by the contract from then on. The
parts that lack values are on the table's list of parts that must be loaded whole, which syncs and
sensors work off (`run_days.py`), so many at a time.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from etl_assets.core.catalog import Catalog
from etl_assets.core.declared.declaration import day_declared, declaration_text
from etl_assets.core.errors import WarehouseError
from etl_assets.core.frames import DAY
from etl_assets.core.gained import gained_columns, is_filled_again, stricter_columns
from etl_assets.core.keeping import is_closed
from etl_assets.core.reload_reasons import lacks, lacks_of, with_lacks
from etl_assets.core.state import TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.sync_log import Log, with_token
from etl_assets.pipeline.turns import in_turn
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.contract_tables import Fit


def bring_columns(warehouse: Warehouse, table: LayerTable, run_id: str) -> Sequence[str]:
    """Add the columns that the contract gained to the published table; which they are.

    Each published part that has no values of them, or NULL where the contract refuses that now, is
    to be loaded again from then on. It costs a look at the table's row where the contract is as it
    was. Nothing is done to a warehouse that is only read.
    Raises WarehouseError where the table differs in another way, with what to run.
    """
    if warehouse.is_read_only:
        return ()
    state = warehouse.table_state(table)
    if state is None or not (is_news(table, state) or is_on_other_days(table, state)):
        return ()
    return in_turn(lambda: _bring(warehouse, table, run_id))


def fit_of(warehouse: Warehouse, table: LayerTable, state: TableState | None) -> Fit | None:
    """How the published table fits, as `Rows.fit` says; that its rows are on the days of another
    column is an error as well where the warehouse itself cannot tell that."""
    fit = warehouse.fit(table)
    if fit is None or fit.error or state is None or not is_on_other_days(table, state):
        return fit
    was, now = (day or "none" for day in (day_declared(state.declaration), table.partition_column))
    error = WarehouseError(
        f"The contract of {table.path} no longer fits the published table (its rows are on the "
        f"days of {was}, and the contract has {now}).",
        f"Change the contract back, or begin anew: {fit.aside} Then load all of it again: "
        f"etl-assets backfill {table.path}.",
    )
    return replace(fit, error=error)


def is_on_other_days(table: LayerTable, state: TableState) -> bool:
    """Whether the table was published by the days of another column than its contract has."""
    if state.declaration is None or state.declaration == declaration_text(table):
        return False
    return day_declared(state.declaration) != table.partition_column


def is_news(table: LayerTable, state: TableState) -> bool:
    """Whether the contract gained a column since the last publication, or requires one more."""
    unknown = state.published_columns is None
    return unknown or bool(gained_columns(table, state) or stricter_columns(table, state))


def with_columns_there(
    warehouse: Warehouse, catalog: Catalog, rows: Iterable[TableState]
) -> list[TableState]:
    """The same rows of tables, of which each derived one says what columns it was published with.

    A release before version 8 of the platform's tables did not remember them: then they are those
    of the contract that the published table has. Without them nobody would see that its parts lack
    a column. It costs a look at the table, until its next publication.
    """
    found = []
    for row in rows:
        table = catalog.get(row.table_name)
        if table is not None and table.is_derived and row.published_columns is None:
            fit = warehouse.fit(table)
            if fit is not None and fit.error is None:
                there = table.required_columns.items()
                row = row.with_columns({n: r for n, r in there if n not in fit.added})
        found.append(row)
    return found


@dataclass(frozen=True)
class Gained:
    """What bringing the columns of a contract leaves behind: the columns that it gained, and the
    reasons of all parts that must be loaded whole then."""

    columns: Sequence[str]
    reasons: Mapping[date, str]


def gained(
    warehouse: Warehouse, table: LayerTable, state: TableState, added: Sequence[str]
) -> Gained:
    """What the contract gained since the last publication; `added` are columns that the published
    table lacks, or lacked. It changes nothing."""
    columns: Sequence[str] = gained_columns(table, state)
    if state.published_columns is None:
        columns = [name for name in added if name != table.kept_column]
    reasons = dict(state.reload_reasons)
    if is_filled_again(table):
        mark = uuid.uuid4().hex[:8]
        for day, names in _lacking(warehouse, table, state, columns).items():
            known = lacks_of(reasons.get(day, ""))
            text = lacks([*known, *(name for name in names if name not in known)], mark)
            reasons[day] = with_lacks(reasons.get(day), text)
    return Gained(columns, reasons)


def _bring(warehouse: Warehouse, table: LayerTable, run_id: str) -> Sequence[str]:
    state = warehouse.table_state(table)
    if state is None:
        return ()
    fit = fit_of(warehouse, table, state)
    if fit is not None:
        fit.accepted()
    if not is_news(table, state):
        return ()
    found = gained(warehouse, table, state, warehouse.ensure(table))
    after = state.with_days_to_reload(found.reasons).with_columns(table.required_columns)
    told = {
        "columns": list(found.columns),
        "parts": len(found.reasons) - len(state.reload_reasons),
    }
    history = [Log(table, run_id).gained(told)] if found.columns else []
    warehouse.move(with_token(after, run_id), state.load_id, history)
    return found.columns


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
