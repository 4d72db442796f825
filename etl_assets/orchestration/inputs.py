"""What an asset is made of: its dependencies as Dagster knows them, and how a run reads them.

Dagster is told that a day is made of the same day of each input that has days, also where it reads
others as well: a window around it, or all days until then. So a backfill of five days is five days
of every table, and not all the days after them for the sake of a running sum; the days around that
are late because of it are made again by the sensors (`lateness.py`), and only if their inputs
changed. Which days are read is decided here, by the spec.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from etl_assets.core.catalog import Catalog
from etl_assets.core.table import Input, LayerTable
from etl_assets.orchestration.names import key_of, source_key
from etl_assets.orchestration.partitions import mapping_of
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.sources.reads import DaySource


def deps_of(catalog: Catalog, table: LayerTable) -> list[dg.AssetDep]:
    """The assets that the table is made of: its source, or its inputs."""
    if table.source is not None:
        return [dg.AssetDep(source_key(table))]
    return [
        dg.AssetDep(
            key_of(above),
            # What is no table of its own are versions, whose asset has no partitions.
            partition_mapping=mapping_of(table, above) if above.path in catalog else None,
        )
        for above in catalog.inputs_of(table).values()
    ]


def source_of(
    platform: Platform, table: LayerTable, parts: Sequence[date], folder: Path, run_id: str
) -> "DaySource":
    """What a run reads for these parts: the source, of which nothing is read yet, or the published
    rows of the inputs, in files of `folder`. Raises what reading raises."""
    from etl_assets.pipeline.derive import DerivedSource, read_upstream

    if table.source is not None:
        return platform.source(table)
    # A dimension is read after the facts: a version that is published between the two is then seen,
    # or makes the day late (`dimensions/marks.py`).
    inputs = sorted(
        platform.catalog.inputs_of(table).items(),
        key=lambda one: table.inputs[one[0]].as_of is not None,
    )
    read = {
        name: read_upstream(
            platform.warehouse,
            above,
            table.inputs[name],
            days_read(table.inputs[name], above, parts),
            folder / name,
            reader=table,
            run_id=run_id,
        )
        for name, above in inputs
    }
    return DerivedSource(table, read)


def days_read(given: Input, above: LayerTable, parts: Sequence[date]) -> list[date]:
    """The days of the input that these parts are made of, in order; the parts themselves where the
    input is read whole, or until each of them."""
    if given.is_window and above.has_days:
        return sorted({day for part in parts for day in given.window_of(part)})
    return sorted(parts)
