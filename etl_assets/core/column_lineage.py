"""Column lineage, found by asking each transform which upstream columns a result column reads.

The transform runs on empty sources that note what the optimiser asks of them, so that lineage is
never written by hand and never out of date. Columns that only decide which rows there are (keys of
a join, a filter) are told apart by what the mere number of rows reads. What Dagster shows of it is
`orchestration/lineage.py`, what a person asks of a row `pipeline/explain.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache

import polars as pl
from polars.io.plugins import register_io_source

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import polars_schema
from etl_assets.core.table import LayerTable

_ANY_DAY = date(2000, 1, 1)


@cache
def columns_read(catalog: Catalog, table: LayerTable) -> Mapping[str, Sequence[tuple[str, str]]]:
    """By column of a derived table the columns that it is made of, as (path of a table, column)."""
    reads = _Reads(catalog.inputs_of(table), table)
    deciding = reads.of(pl.len())
    found: dict[str, list[tuple[str, str]]] = {}
    for column in table.columns:
        read = reads.of(pl.col(column.name))
        # A key of a join is made of the columns of its own name, if of no others.
        named = {(asset, name) for asset, name in read if name == column.name}
        found[column.name] = sorted((read - deciding) or named or read)
    return found


@cache
def every_column_read(
    table: LayerTable, above: tuple[LayerTable, ...]
) -> frozenset[tuple[str, str]]:
    """All that a derived table reads of the tables `above` it, as (path of a table, column), be it
    for rows or for values.

    Everything, where the transform cannot be asked.
    """
    tables = {one.path: one for one in above}
    try:
        reads = _Reads({name: tables[one.asset] for name, one in table.inputs.items()}, table)
        return frozenset(reads.of(pl.len()) | reads.of(pl.all()))
    except Exception:  # a person's own code, which its next run tells of
        return frozenset((one.path, column.name) for one in above for column in one.columns)


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
    reads = _Reads(catalog.inputs_of(table), table)
    deciding = reads.of(pl.len())
    found: dict[str, dict[str, str]] = {given.asset: {} for given in table.inputs.values()}
    renamed: list[tuple[str, str, str]] = []
    for column in table.columns:
        read = reads.of(pl.col(column.name))
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


class _Reads:
    """A transform on empty sources, which is asked what it reads for a result."""

    def __init__(self, above: Mapping[str, LayerTable], table: LayerTable) -> None:
        assert table.transform is not None  # noqa: S101 - asked of derived tables only
        self._table = table
        self._seen: dict[str, set[str]] = {name: set() for name in table.inputs}
        frames = {name: _noting_source(given, self._seen[name]) for name, given in above.items()}
        own_day = {"day": _ANY_DAY} if table.transform_takes_day else {}
        self._result = table.transform(**frames, **own_day)
        self._while_made = self._noted()  # by a transform that looks at its frames itself

    def of(self, result: pl.Expr) -> set[tuple[str, str]]:
        """The (path, column) pairs that are read for `result`."""
        for columns in self._seen.values():
            columns.clear()
        self._result.select(result).collect()
        return self._while_made | self._noted()

    def _noted(self) -> set[tuple[str, str]]:
        return {
            (self._table.inputs[name].asset, column)
            for name, columns in self._seen.items()
            for column in columns
        }


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
