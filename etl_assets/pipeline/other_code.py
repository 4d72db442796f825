"""Which published parts were made by other code than that at hand. Pure.

Such a part is not late: its rows are right as far as its code was, and a changed comment of a
transform need not cost a year of days. So nothing makes it again by itself, and `status` says so.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from etl_assets.core.catalog import Catalog
from etl_assets.core.declared.code_version import is_of_other_code
from etl_assets.core.dimension import HISTORY
from etl_assets.core.readings import reading
from etl_assets.core.scope import Scope
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.dimensions.reading import goal_of

Parts = Mapping[date, PartitionState]


def of_other_code(
    catalog: Catalog,
    states: Iterable[PartitionState],
    scope: Scope,
    open_from: Mapping[str, date],
) -> dict[str, list[date]]:
    """The parts of each table that another transform, contract or source definition made, in order.

    Days outside the platform's and closed days are left out, as nothing makes them again; so is
    what an earlier release published, of which the code is not known.
    """
    by_table: dict[str, dict[date, PartitionState]] = {}
    for state in states:
        by_table.setdefault(state.table_name, {})[state.partition_key] = state
    found = {}
    for path, table in catalog.items():
        first = open_from.get(path, date.min)
        days = [
            part
            for part, state in sorted(by_table.get(path, {}).items())
            if is_of_other_code(table, state.made_by)
            and (not table.has_days or (scope.has(part) and part >= first))
        ]
        if days and (table.dimension is None or _is_made_anew(catalog, table, by_table)):
            found[path] = days
    return found


def _is_made_anew(catalog: Catalog, table: LayerTable, by_table: Mapping[str, Parts]) -> bool:
    """Whether the next run of a dimension makes all of its versions; of what it looks at only
    (thresholds of its checks) it makes none."""
    above = catalog.inputs_of(table)[HISTORY]
    parts = by_table.get(above.path, {})
    notes = by_table.get(reading(table.path, above.path), {})
    return bool(parts) and goal_of(catalog, table, parts, notes.values(), is_first=False).whole
