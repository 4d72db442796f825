"""From loaded days to published ones: the state row that belongs to each, and the transaction.

The road before it is `loading.py`; how rows get into a warehouse is `warehouse/`.
"""

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.warehouse.base import Mode, Publication, StagedDay, Warehouse


def published_counts(warehouse: Warehouse, table: LayerTable) -> Published:
    """What is published of a table now, by day."""
    return Published({state.partition_key: state.row_count for state in warehouse.state(table)})


def publish_days(
    warehouse: Warehouse, table: LayerTable, days: Sequence[LoadedDay], run_id: str
) -> tuple[float, Publication]:
    """Publish the days, which must all be good, in one transaction; its seconds and its jobs.

    Raises what `Warehouse.publish` raises; then nothing has changed.
    """
    refused = [str(loaded.day) for loaded in days if not loaded.is_good]
    if refused:
        raise ValueError(f"{table.path} {', '.join(refused)} failed a blocking check.")
    began = time.perf_counter()
    load_id, now = uuid.uuid4().hex, datetime.now(UTC)
    staged = [
        StagedDay(loaded.day, loaded.source, loaded.files, loaded.quarantine, state)
        for loaded in days
        for state in [state_of(loaded, load_id, run_id, now)]
    ]
    publication = warehouse.publish(warehouse.stage(table, staged, run_id, Mode.REPLACE))
    return time.perf_counter() - began, publication


def state_of(loaded: LoadedDay, load_id: str, run_id: str, now: datetime) -> PartitionState:
    """The day's row of `etl_state`, as a publication of it leaves it."""
    watermark = loaded.high_watermark
    if watermark is not None:  # a row stamped 2999 must not move it past the source's clock (C5)
        watermark = min(watermark, loaded.as_of)
    return PartitionState(
        table_name=loaded.table.path,
        partition_key=loaded.day,
        high_watermark=watermark,
        watermark_key=loaded.watermark_key,
        row_count=loaded.rows,
        source_count=loaded.source_count,
        quarantined_count=loaded.quarantined,
        checks_passed=sum(result.passed for result in loaded.results),
        checks_failed=sum(not result.passed for result in loaded.results),
        as_of=loaded.as_of,
        load_id=load_id,
        run_id=run_id,
        seconds=sum(loaded.seconds.values()),
        verified_through=None,
        updated_at=now,
        made_of=loaded.made_of,
    )
