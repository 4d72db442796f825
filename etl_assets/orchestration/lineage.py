"""Column lineage, found by asking each transform which upstream columns a result column reads.

The transform runs on empty sources that note what the optimiser asks of them, so that lineage is
never written by hand and never out of date. Columns that only decide which rows there are (keys of
a join, a filter) are told apart by what the mere number of rows reads.
"""

from collections.abc import Iterator
from functools import cache

import dagster as dg
import polars as pl
from polars.io.plugins import register_io_source

from etl_assets.core.contracts import polars_schema
from etl_assets.core.table import LayerTable
from etl_assets.tables.registry import layer_tables


@cache
def column_lineage(table: LayerTable) -> dg.TableColumnLineage | None:
    """Each column of the table with the upstream columns that it is made of."""
    if table.transform is None:
        return _from_source(table)
    deciding = _reads(table, pl.len())
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for column in table.columns:
        read = _reads(table, pl.col(column.name))
        # A key of a join is made of the columns of its own name, if of no others.
        named = {(asset, name) for asset, name in read if name == column.name}
        deps[column.name] = [
            dg.TableColumnDep(dg.AssetKey(asset.split("/")), name)
            for asset, name in sorted((read - deciding) or named or read)
        ]
    return dg.TableColumnLineage(deps)


def _reads(table: LayerTable, result: pl.Expr) -> set[tuple[str, str]]:
    """The (asset, column) pairs that the transform reads for `result`."""
    assert table.transform is not None  # noqa: S101 - asked of derived tables only
    seen: dict[str, set[str]] = {name: set() for name in table.inputs}
    frames = {
        name: _noting_source(layer_tables()[given.asset], seen[name])
        for name, given in table.inputs.items()
    }
    table.transform(**frames).select(result).collect()
    return {
        (table.inputs[name].asset, column) for name, columns in seen.items() for column in columns
    }


def _from_source(table: LayerTable) -> dg.TableColumnLineage | None:
    if table.source is None:
        return None
    parent = table.source.parent
    borrowed = parent.columns if parent else {}
    own = dg.AssetKey(["source", table.name])
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(
                    dg.AssetKey(["source", parent.table])
                    if parent and column.name in borrowed
                    else own,
                    borrowed.get(column.name, column.name),
                )
            ]
            for column in table.columns
        }
    )


def _noting_source(table: LayerTable, seen: set[str]) -> pl.LazyFrame:
    schema = polars_schema(table.columns)

    def nothing(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        _rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        wanted = list(schema) if with_columns is None else with_columns
        seen.update(wanted)
        if predicate is not None:
            seen.update(predicate.meta.root_names())
        yield pl.DataFrame(schema=schema).select(wanted)

    return register_io_source(nothing, schema=schema)
