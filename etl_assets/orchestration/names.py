"""Tables as Dagster names them: the only place where asset keys are made and taken apart."""

import dagster as dg

from etl_assets.core.source_specs import DEFAULT_CONNECTION
from etl_assets.core.table import Layer, LayerTable

PREFIX: tuple[str, ...] = ()
"""What comes before layer and table in every asset key, for a Dagster that others share."""

SOURCE = "source"


def key_of(table: LayerTable) -> dg.AssetKey:
    """The key of a table's asset: layer, then name."""
    return key_of_path(table.path)


def key_of_path(path: str) -> dg.AssetKey:
    """The key of the asset of `raw/orders`."""
    return dg.AssetKey([*PREFIX, *path.split("/")])


def step_of(table: LayerTable) -> str:
    """The step of a table's asset, whose folder in the spool has this name."""
    return f"{table.layer}__{table.name}"


def path_of(key: dg.AssetKey) -> str:
    """`raw/orders` again, from its asset's key."""
    return "/".join(key.path[len(PREFIX) :])


def source_key(table: LayerTable) -> dg.AssetKey:
    """The key of the external asset that a raw table is read from.

    `source/orders` for the default connection, `source/billing/orders` for another one.
    """
    assert table.source is not None  # noqa: S101 - only raw tables have a source
    return source_key_of(table.source.connection, table.name)


def source_key_of(connection: str, name: str) -> dg.AssetKey:
    """The same by names, for a source table that no raw table may be read from."""
    between = [] if connection == DEFAULT_CONNECTION else [connection]
    return dg.AssetKey([*PREFIX, SOURCE, *between, name])


def raw_path_of(key: dg.AssetKey) -> str:
    """The path of the raw table that is read from the external asset of that key."""
    return f"{Layer.RAW}/{key.path[-1]}"
