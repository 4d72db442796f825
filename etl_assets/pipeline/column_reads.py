"""Which columns of its inputs a transform reads for a column that it makes: measured, not declared.

The transform runs on empty sources that note what the optimiser asks of them. Dagster's column
lineage and `explain.py` are made of this.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache

import polars as pl
from polars.io.plugins import register_io_source

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import polars_schema
from etl_assets.core.table import LayerTable

_ANY_DAY = date(2000, 1, 1)


def reads(catalog: Catalog, table: LayerTable, result: pl.Expr) -> set[tuple[str, str]]:
    """The (asset, column) pairs that the transform reads for `result`.

    Columns that only decide which rows there are (keys of a join, a filter) are among them: they
    are what `pl.len()` reads.
    """
    assert table.transform is not None  # noqa: S101 - asked of derived tables only
    seen: dict[str, set[str]] = {name: set() for name in table.inputs}
    frames = {
        name: _noting_source(above, seen[name]) for name, above in catalog.inputs_of(table).items()
    }
    own_day = {"day": _ANY_DAY} if table.transform_takes_day else {}
    table.transform(**frames, **own_day).select(result).collect()
    return {
        (table.inputs[name].asset, column) for name, columns in seen.items() for column in columns
    }


@cache
def same_values(catalog: Catalog, table: LayerTable) -> Mapping[str, Mapping[str, str]]:
    """For each input by its path: its columns whose values a column of the table has, with that.

    A column has the values of the one of its own name that it reads, and else of the only one that
    it reads. That the values were not changed on the way is a guess: ask for rows with them. A
    dimension declares it (`entity`).
    """
    if table.dimension is not None:
        entity = {there: own for own, there in table.dimension.entity.items()}
        return {given.asset: entity for given in table.inputs.values()}
    deciding = reads(catalog, table, pl.len())
    found: dict[str, dict[str, str]] = {given.asset: {} for given in table.inputs.values()}
    renamed: list[tuple[str, str, str]] = []
    for column in table.columns:
        read = reads(catalog, table, pl.col(column.name))
        for asset, name in read:
            if name == column.name:
                found[asset][name] = column.name
        # A plain column may be what the number of rows is read from as well.
        made_of = read - deciding or read
        if len(made_of) == 1:
            ((asset, name),) = made_of
            renamed.append((asset, name, column.name))
    for asset, name, own in renamed:
        found[asset].setdefault(name, own)
    return found


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
