"""Parts that were loaded and are as they are published: what is noted of them instead of rows.

Their load stays, so that nothing that is made of them has to be made again. Which parts these are
is `same_rows.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.turns import in_turn
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import table_state_after
from etl_assets.warehouse.publication import Publication, StagedDay


def note_same(
    warehouse: Warehouse,
    table: LayerTable,
    days: Sequence[StagedDay],
    compared: Mapping[date, PartitionState],
    run_id: str,
) -> Mapping[date, PartitionState]:
    """Note of the parts what was found when they were loaded, and that they are as they should be.

    `compared` are the states that the parts were compared by. Returns the parts that are noted,
    with their states; one that another run has published since is none. Raises what the warehouse
    raises.
    """
    found = {staged.day: staged for staged in days}
    return in_turn(lambda: _noted(warehouse, table, found, compared, run_id))


def _noted(
    warehouse: Warehouse,
    table: LayerTable,
    found: Mapping[date, StagedDay],
    compared: Mapping[date, PartitionState],
    run_id: str,
) -> Mapping[date, PartitionState]:
    recorded = warehouse.recorded(table)
    row = recorded.table_state
    states = {
        day: _after(before, found[day].state)
        for day, state in compared.items()
        if (before := recorded.states.get(day)) is not None and before.load_id == state.load_id
    }
    if (
        row is None
        or not states
        or not _is_news(table, recorded.states, states, row.reload_reasons)
    ):
        return states
    noted = [found[day] for day in states]
    made = noted[0].state
    after = table_state_after(table, recorded, list(states.values()), noted, content=row.content)
    token = replace(after, load_id=made.load_id, run_id=run_id, updated_at=made.updated_at)
    staging = warehouse.stage(table, [], run_id)
    try:
        warehouse.publish(Publication(staging, recorded.token, token, list(states.values())))
    finally:
        warehouse.discard(staging)
    return states


def _after(before: PartitionState, found: PartitionState) -> PartitionState:
    """The state of a part that stays: its rows and their load as before, the verdict of today."""
    return replace(
        before,
        as_of=max(before.as_of, found.as_of),
        source_count=found.source_count,
        checks_passed=found.checks_passed,
        checks_failed=found.checks_failed,
        failed_checks=found.failed_checks,
        made_of=found.made_of,
        made_by=found.made_by,
    )


def _is_news(
    table: LayerTable,
    before: Mapping[date, PartitionState],
    after: Mapping[date, PartitionState],
    reasons: Mapping[date, str],
) -> bool:
    """Whether it must be written. A day's new moment must be: it keeps an older snapshot out (L5).

    A table without days may be asked for every minute, and its moment keeps nothing out.
    """
    if table.has_days or any(day in reasons for day in after):
        return True
    return any(
        (state.made_of, state.made_by) != (before[day].made_of, before[day].made_by)
        for day, state in after.items()
    )
