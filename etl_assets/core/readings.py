"""What a table has read of another one, part by part, as rows of `etl_state`. Pure.

A dimension notes each part of its input with the load of it that its history was made of. So the
next run knows which parts are new, and reads only the keys that are in these. For each table of
facts that looks a dimension up it notes the days of the facts whose rows see something else since a
load. So exactly these days are late. Both are written with the rows that they belong to.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from etl_assets.core.state import PartitionState, empty_part
from etl_assets.core.table import LayerTable

_READS = " reads "


def reading(reader: str, path: str) -> str:
    """The `table_name` of the notes: `enriched/dim_customers reads raw/customers_versions`."""
    return f"{reader}{_READS}{path}"


def is_reading(table_name: str) -> bool:
    """Whether a row of `etl_state` is such a note, and no published part of a table."""
    return _READS in table_name


def noted(reader: LayerTable, path: str) -> LayerTable:
    """A table of that name, to ask a warehouse for its states."""
    return replace(reader, name=reading(reader.name, path))


def readings(
    reader: str, path: str, loads: Mapping[date, str], run_id: str, now: datetime
) -> list[PartitionState]:
    """A note for each part: the `load_id` that is to be remembered of it."""
    return [
        empty_part(reading(reader, path), part, load_id, run_id, now)
        for part, load_id in sorted(loads.items())
    ]
