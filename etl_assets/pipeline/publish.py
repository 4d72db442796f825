"""From loaded parts to published ones: the state that belongs to each, and the publication.

The road before it is `load.py`. What a publication means is `warehouse/publication.py`, how rows get
into a warehouse is its backend. Changes of parts are published by `change_set.py`.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.core.errors import LostTurn
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import (
    JobCost,
    Publication,
    Recorded,
    StagedDay,
    Staging,
    needs_elsewhere,
    replacement,
)

_PATIENCE_SECONDS = 120


def published_counts(warehouse: Warehouse, table: LayerTable) -> Published:
    """What is published of a table now, by part."""
    return Published({state.partition_key: state.row_count for state in warehouse.state(table)})


def publish_days(
    warehouse: Warehouse, table: LayerTable, days: Sequence[LoadedDay], run_id: str
) -> tuple[float, Sequence[JobCost]]:
    """Publish the parts, which must all be good, in one transaction; its seconds and its jobs.

    Where another run publishes to the table meanwhile, the publication is planned anew on what that
    left behind. Raises StalePublication, WarehouseError and what else `Rows.publish` raises;
    then nothing has changed.
    """
    refused = [str(loaded.day) for loaded in days if not loaded.is_good]
    if refused:
        raise ValueError(f"{table.path} {', '.join(refused)} failed a blocking check.")
    began = time.perf_counter()
    load_id, now = uuid.uuid4().hex, datetime.now(UTC)
    staged = [
        StagedDay(
            loaded.day,
            loaded.source,
            loaded.files,
            loaded.quarantine,
            state_of(loaded, load_id, run_id, now),
        )
        for loaded in days
    ]
    jobs = publish_staged(warehouse, table, staged, run_id)
    return time.perf_counter() - began, jobs


def publish_staged(
    warehouse: Warehouse, table: LayerTable, days: Sequence[StagedDay], run_id: str
) -> Sequence[JobCost]:
    """Let the staged parts take the place of what is published of them; the jobs that it took."""
    if not days:
        return ()
    content = None
    if not table.has_days:
        (whole,) = days
        content = whole.files.content([column.name for column in table.columns])
    staging = warehouse.stage(table, days, run_id)
    try:
        return in_turn(lambda: warehouse.publish(_planned(warehouse, staging, content)))
    finally:
        warehouse.discard(staging)


def in_turn(work: Callable[[], Sequence[JobCost]]) -> Sequence[JobCost]:
    """What `work` returns; done again where another run published first.

    Each time that it is lost, another run has made progress; it ends after two minutes.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(LostTurn),
        stop=tenacity.stop_after_delay(_PATIENCE_SECONDS),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    return attempts(work)


def recorded(warehouse: Warehouse, table: LayerTable, *, versions: bool) -> Recorded:
    """What is remembered of a table, and of its versions if asked for.

    The table's row is read first: what is read after it is as new as its token, or newer, and then
    the publication is refused (LostTurn).
    """
    own = warehouse.table_state(table)
    states = {state.partition_key: state for state in warehouse.state(table)}
    kept = table.versions
    found = warehouse.state(kept) if versions and kept is not None else []
    return Recorded(own, states, {state.partition_key: state for state in found})


def spooled(folder: Path, frame: pl.DataFrame) -> SpoolFiles:
    """The frame in a folder of the spool; no file at all where it has no rows."""
    files = SpoolFiles(folder)
    files.write(frame)
    files.close()
    return files


def _planned(warehouse: Warehouse, staging: Staging, content: str | None) -> Publication:
    has_versions = staging.table.versions is not None and staging.rows > 0
    known = recorded(warehouse, staging.table, versions=has_versions)
    facts = warehouse.facts(
        staging, elsewhere=needs_elsewhere(staging, known), versions=has_versions
    )
    folder = staging.days[0].files.folder.parent / f"leaving-{uuid.uuid4().hex}"
    return replacement(staging, known, facts, lambda keys: spooled(folder, keys), content)


def state_of(loaded: LoadedDay, load_id: str, run_id: str, now: datetime) -> PartitionState:
    """The part's row of `etl_state`, as a publication of it leaves it."""
    watermark = loaded.high_watermark
    if watermark is not None:  # a row stamped 2999 must not move it past the source's clock (C5)
        watermark = min(watermark, loaded.as_of)
    failed = [result.check.name for result in loaded.results if not result.passed]
    return PartitionState(
        table_name=loaded.table.path,
        partition_key=loaded.day,
        high_watermark=watermark,
        watermark_key=loaded.watermark_key,
        row_count=loaded.rows,
        source_count=loaded.source_count,
        quarantined_count=loaded.quarantined,
        checks_passed=sum(result.passed for result in loaded.results),
        checks_failed=len(failed),
        as_of=loaded.as_of,
        load_id=load_id,
        run_id=run_id,
        seconds=sum(loaded.seconds.values()),
        verified_through=None,
        updated_at=now,
        made_of=loaded.made_of,
        failed_checks=",".join(failed) or None,
    )
