"""What a source holds at this moment, without a load: its extent, and what became of its columns.

What Dagster makes of it is `orchestration/source_assets.py`.
"""

from collections.abc import Mapping

from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform


def observe(platform: Platform, table: LayerTable) -> Mapping[str, object]:
    """What there is to say of the source of a raw table: rows or objects, newest cursor, drift.

    Raises what the source raises.
    """
    source = platform.source(table)
    source.reach()
    with source.open() as snapshot:
        drift = snapshot.drift
        return {
            **snapshot.extent(),
            "columns": len(snapshot.columns),
            "read_from": snapshot.source,
            **(drift.evidence() if drift else {}),
        }
