"""Parts that lack a column of their contract, and are what the source has all the same.

Most columns that a contract gains are NULL in old rows of the source as well. Two checksums tell
that, each computed where the rows are, so that no row has to travel. What differs is loaded again
by `run_days.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from etl_assets.core.digests import can_be_reconciled, not_compared
from etl_assets.core.reload_reasons import lacks_of
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability
from etl_assets.sources.base import Source
from etl_assets.sources.reads import DaySource
from etl_assets.warehouse.base import Warehouse


def equal_parts(
    table: LayerTable,
    source: DaySource,
    warehouse: Warehouse,
    parts: Sequence[date],
    reasons: Mapping[date, str],
) -> set[date]:
    """Those of the parts whose rows, with the columns that they lack, are equal to the source's.

    None where checksums cannot tell: of a source that has none, of columns that none covers, and of
    columns that the contract requires, as the rows themselves may be refused.
    """
    required = {name for name, is_required in table.required_columns.items() if is_required}
    unseen = required | set(not_compared(table))
    asked = sorted(day for day in parts if not unseen & {*lacks_of(reasons[day])})
    if not asked or not isinstance(source, Source) or not can_be_reconciled(table):
        return set()
    with source.again(None).open() as snapshot:
        if Ability.DIGESTS in snapshot.cannot:
            return set()
        theirs = snapshot.digests(asked, 1)
    ours = warehouse.digests(table, asked, 1)
    same = theirs.join(ours, on=theirs.columns, how="semi")
    return set(same["day"])
