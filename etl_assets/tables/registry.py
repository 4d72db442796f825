"""Every table of the platform, found by looking into this package's modules.

A table is a module with a `TABLE`; nothing has to be entered here or anywhere else.
"""

import importlib
import pkgutil
from functools import cache

import etl_assets.tables
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import LayerTable


@cache
def layer_tables() -> dict[str, LayerTable]:
    """Every layer table by its path (`raw/orders`), upstream before downstream."""
    found: dict[str, LayerTable] = {}
    for module in pkgutil.iter_modules(etl_assets.tables.__path__):
        spec = getattr(importlib.import_module(f"etl_assets.tables.{module.name}"), "TABLE", None)
        if isinstance(spec, TableSpec | EnrichedSpec):
            found |= {table.path: table for table in spec.layer_tables()}
    return _upstream_first(found)


def _upstream_first(tables: dict[str, LayerTable]) -> dict[str, LayerTable]:
    ordered: dict[str, LayerTable] = {}

    def place(table: LayerTable) -> None:
        for upstream in table.inputs.values():
            if upstream.asset not in tables:
                raise TypeError(f"{table.path} reads {upstream.asset}, which no module declares.")
            place(tables[upstream.asset])
        ordered.setdefault(table.path, table)

    layers = ("raw", "staged", "enriched")
    for table in sorted(tables.values(), key=lambda t: (layers.index(t.layer), t.name)):
        place(table)
    return ordered
