"""Keys that a source deleted without a mark, from the tombstones that a table keeps of them.

A row that vanished tells no moment. What is known is when its absence was found, and the tombstone
has that: so a rebuild gives the same. A key whose row is there again as it was before, with an
older moment than its tombstone, was never gone for all that its history can say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from etl_assets.core.catalog import Catalog
from etl_assets.core.dimension import DELETIONS, Dimension, keyed
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.history import MOMENT
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import noted
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.dimensions.versions import GONE_AT
from etl_assets.pipeline.publish import spooled
from etl_assets.warehouse.base import Warehouse


@dataclass(frozen=True)
class Deletions:
    """The keys that have a tombstone.

    `theirs` are all of them in the columns of the input, `ours` those that are still gone in the
    columns of the dimension, with the moment in GONE_AT. `note` is what is to be remembered of
    them, by the path of their table; `are_new` says that it is not what was remembered.
    """

    theirs: pl.DataFrame = field(default_factory=pl.DataFrame)
    ours: pl.DataFrame = field(default_factory=pl.DataFrame)
    note: Mapping[str, Mapping[date, str]] = field(default_factory=dict)
    are_new: bool = False


def deletions_of(warehouse: Warehouse, catalog: Catalog, table: LayerTable) -> Deletions:
    """The deletions that close versions of the dimension; nothing where its spec names none."""
    dimension = table.dimension
    if dimension is None or not dimension.closes:
        return Deletions()
    deleting = catalog.inputs_of(table)[DELETIONS]
    stones = _keys(warehouse.seen.tombstones(deleting), deleting, dimension)
    gone = _still_gone(warehouse, deleting, dimension, stones)
    theirs = stones.select(dimension.entity.values())
    contract = {column.name: column.dtype for column in table.columns}
    ours = gone.select(
        *(pl.col(name).cast(contract[own]).alias(own) for own, name in dimension.entity.items()),
        GONE_AT,
    )
    told = fingerprint([dimension.digest, *(str(row) for row in gone.sort(pl.all()).iter_rows())])
    known = {state.load_id for state in warehouse.state(noted(table, deleting.path))}
    return Deletions(theirs, ours, {deleting.path: {WHOLE: told}}, told not in known)


def _keys(stones: pl.DataFrame, deleting: LayerTable, dimension: Dimension) -> pl.DataFrame:
    """The keys of tombstones, from the rows that they keep, with the moment."""
    return stones.select(
        *(
            pl.col("payload")
            .str.json_path_match(f'$["{name}"]')
            .cast(deleting.column(name).dtype, strict=False)
            .alias(name)
            for name in dimension.entity.values()
        ),
        pl.col("found_at").cast(MOMENT).alias(GONE_AT),
    ).unique()


def _still_gone(
    warehouse: Warehouse, deleting: LayerTable, dimension: Dimension, stones: pl.DataFrame
) -> pl.DataFrame:
    """Without those whose row is there again and says that it is older than the tombstone."""
    names = list(dimension.entity.values())
    cursor = deleting.cursor
    if not stones.height or cursor is None or not cursor.has_moments:
        return stones
    with TemporaryDirectory() as folder:
        keys = spooled(Path(folder) / "keys", stones.select(names).unique())
        there = warehouse.seen.lookup(keyed(deleting, names), keys, Path(folder) / "there")
        again = there.select(*names, cursor.place.alias("__moment")).collect()
    back = stones.join(again, on=names, nulls_equal=True).filter(
        pl.col("__moment") <= pl.col(GONE_AT)
    )
    return stones.join(back, on=[*names, GONE_AT], how="anti", nulls_equal=True)
