"""Named parts of derived tables that need not be made, as nothing that they are made of changed.

A part that is late, refused or lacks values of a column is always made. What is read from a source
is read again whenever it is asked for (`same_rows.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from etl_assets.core.catalog import Catalog
from etl_assets.core.declared.code_version import made_by
from etl_assets.core.frames import DAY, ROWS
from etl_assets.core.lateness import Loads, loads_of, made_of
from etl_assets.core.readings import noted
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse

FORCE_TAG: Final = "etl_assets/force"
FORCE: Final = "true"
"""The tag of a run, and its value, by which parts are made whether anything changed or not."""


def unchanged_parts(
    warehouse: Warehouse, catalog: Catalog, table: LayerTable, parts: Sequence[date]
) -> Mapping[date, PartitionState]:
    """Those of the parts that are published as the code at hand would make them, each with its
    state: of the same loads of its inputs, by the same code, with the same thresholds.

    None where that cannot be told: of a table that is made of nothing, or of an input whose changes
    make no day late, and where the published rows are not those that the state counts. In an
    environment parts of production do not count. Raises what the warehouse raises.
    """
    code = made_by(table)
    given = table.inputs.values()
    if table.transform is None or code is None or not all(one.makes_late for one in given):
        return {}
    row = warehouse.own_row(table)
    if not given or row is None:
        return {}
    loads = _loads(warehouse, catalog, table)
    known = {state.partition_key: state for state in warehouse.state(table)}
    found = {
        part: state
        for part in parts
        if (state := known.get(part)) is not None
        and part not in row.reload_reasons
        and state.made_by == code
        and state.made_of == made_of(table, loads, part)
    }
    return as_counted(warehouse, table, found)


def _loads(warehouse: Warehouse, catalog: Catalog, table: LayerTable) -> Mapping[str, Loads]:
    """What is published of each input; of a dimension what rows of the table see of it."""
    found = {}
    for name, above in catalog.inputs_of(table).items():
        is_looked_up = loads_of(table, table.inputs[name]) != above.path
        states = warehouse.seen.state(noted(table, above.path) if is_looked_up else above)
        found[name] = Loads({state.partition_key: state.load_id for state in states})
    return found


def as_counted(
    warehouse: Warehouse, table: LayerTable, found: Mapping[date, PartitionState]
) -> Mapping[date, PartitionState]:
    """Those of the parts of which as many rows are published as their states say: somebody may have
    removed rows, or the table, behind the platform's back."""
    fit = warehouse.fit(table) if found else None
    if fit is None or fit.error is not None or fit.added:
        return {}
    counted = warehouse.profile(table, list(found), among=())
    rows = dict(counted.select(DAY, ROWS).iter_rows())
    return {part: state for part, state in found.items() if rows.get(part, 0) == state.row_count}
