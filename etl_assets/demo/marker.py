"""Where the demo shop may stand in for a source database: only where somebody asked for the demo.

`etl-assets demo` leaves a file under ETL_HOME that names the warehouse that it filled. A shell in
which DATABASE_URL is forgotten must never publish the demo's rows into another warehouse.
"""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from etl_assets.config import DEMO_LAST_DAY, FIRST_DAY, Settings, shown_url
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import is_reading
from etl_assets.core.state import PartitionState

_FILE = "demo.json"


def is_for_demo(settings: Settings) -> bool:
    """Whether the embedded shop may be read: ETL_DEMO=1, or this warehouse is the demo's."""
    return settings.demo or _warehouse(settings) in _marked(settings)


def mark_for_demo(settings: Settings) -> None:
    """Remember under ETL_HOME that this warehouse holds the demo."""
    marked = sorted({*_marked(settings), _warehouse(settings)})
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / _FILE).write_text(json.dumps({"warehouses": marked}), encoding="utf-8")


def not_of_demo(states: Iterable[PartitionState], tables: Collection[str]) -> list[str]:
    """Tables of a warehouse that the demo cannot have published; `tables` are the demo's paths."""
    versions = {f"{path}_versions" for path in tables}
    return sorted(
        {
            state.table_name
            for state in states
            if state.table_name not in versions
            and not is_reading(state.table_name)
            and (state.table_name not in tables or not _is_demo_day(state))
        }
    )


def _is_demo_day(state: PartitionState) -> bool:
    return state.partition_key == WHOLE or FIRST_DAY <= state.partition_key <= DEMO_LAST_DAY


def _warehouse(settings: Settings) -> str:
    """The warehouse without its secrets; empty for the file in ETL_HOME."""
    return shown_url(settings.warehouse_url) if settings.warehouse_url else ""


def _marked(settings: Settings) -> list[str]:
    file: Path = settings.home / _FILE
    try:
        return list(json.loads(file.read_text(encoding="utf-8"))["warehouses"])
    except (OSError, ValueError, KeyError):
        return []
