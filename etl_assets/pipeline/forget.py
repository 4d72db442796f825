"""Forgetting what days of files were made of: they are late then, and the sensor loads them again.

The published rows, their states and the ledger stay: only the table's row is written, in one small
transaction. Which days are late is decided in `file_days.py`.
"""

import uuid
from collections.abc import Collection
from datetime import UTC, date, datetime

from etl_assets.core.reload_reasons import forgotten
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.reloads import change_reloads
from etl_assets.pipeline.turns import in_turn
from etl_assets.warehouse.base import Warehouse

_RUN = "forget"


def forget(warehouse: Warehouse, table: LayerTable, days: Collection[date]) -> None:
    """Let these days be loaded again, whatever their objects are, until somebody publishes them.

    To forget a day twice is to ask for it once more, also where its run has failed. Nothing is
    written for a table that was never published. Raises what the warehouse raises.
    """
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    reasons = dict.fromkeys(days, forgotten(moment, uuid.uuid4().hex[:6]))
    in_turn(lambda: change_reloads(warehouse, table, reasons, _RUN, adding=True))
