"""A day that is ready to be published, made of frames in code: nothing is read, nothing checked."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.state import empty_part
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.publication import StagedDay


def staged_day(
    table: str,
    day: date,
    frames: Iterable[pl.DataFrame],
    folder: Path,
    *,
    source: str = "bench",
    **state: Any,
) -> StagedDay:
    """The frames of the table's day in a spool in a folder of their own below `folder`.

    What `state` has of a PartitionState's fields is taken from there.
    """
    own = folder / uuid.uuid4().hex
    good, aside = SpoolFiles(own / "rows"), SpoolFiles(own / "quarantine")
    for frame in frames:
        good.write(frame)
    good.close()
    empty = empty_part(table, day, uuid.uuid4().hex, "bench", datetime.now(UTC))
    counted = replace(empty, row_count=good.rows, source_count=good.rows, checks_passed=1)
    return StagedDay(day, source, good, aside, replace(counted, **state))
