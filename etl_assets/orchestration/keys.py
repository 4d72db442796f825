"""Tables as Dagster names them."""

import dagster as dg

from etl_assets.core.table import LayerTable


def key_of(table: LayerTable) -> dg.AssetKey:
    """The key of a table's asset: layer, then name."""
    return dg.AssetKey(table.path.split("/"))
