"""Items of a list that have the same key: pages that shift give an item twice, or two of its
versions.

Exact copies count once. Of versions the newest stays, where the spec says by which column; those
that cannot be told apart are all left to the pipeline, which sets them aside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.frames import DAY
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.reading.results import LINE


@dataclass(frozen=True)
class Resolved:
    """`dropped` are the lines that do not count (Int64), `dropped_of` how many each day has.

    `repeated` are the keys that still stand in more than one row (the contract's key); `copies` and
    `older` count what was dropped, by the reason.
    """

    dropped: pl.Series
    repeated: pl.DataFrame
    dropped_of: Mapping[date, int] = field(default_factory=dict)
    copies: int = 0
    older: int = 0


def resolve(table: LayerTable, paths: Sequence[Path], newest: str | None) -> Resolved:
    """What counts of the rows in the files, which have the contract's columns, LINE and DAY.

    Keys are compared with NULL equal to NULL. Only rows whose key comes again are in memory.
    """
    key = list(table.key)
    again = _again(paths, key)
    if again is None or not again.height:
        schema = {name: table.column(name).dtype for name in key}
        return Resolved(pl.Series(dtype=pl.Int64), pl.DataFrame(schema=schema))
    content = [name for name in again.columns if name not in (LINE, DAY)]
    distinct = again.sort(LINE).unique(content, keep="first", maintain_order=True)
    left = distinct
    if newest is not None:
        left = distinct.filter(_is_newest(newest, key))
    dropped = again.join(left, on=LINE, how="anti")
    repeated = left.group_by(key).len().filter(pl.col("len") > 1).select(key)
    return Resolved(
        dropped[LINE],
        repeated,
        dict(dropped.group_by(DAY).len().iter_rows()),
        again.height - distinct.height,
        distinct.height - left.height,
    )


def _again(paths: Sequence[Path], key: Sequence[str]) -> pl.DataFrame | None:
    """All rows whose key is in more than one of them; None where there is no row."""
    if not paths:
        return None
    if len(paths) == 1:  # as most days have few rows: without the cost of a streaming join
        frame = pl.read_parquet(paths[0], glob=False)
        return frame.filter(frame.select(key).is_duplicated())
    rows = pl.scan_parquet(list(paths), glob=False)
    twice = rows.group_by(key).len().filter(pl.col("len") > 1).select(key)
    return rows.join(twice, on=key, how="semi", nulls_equal=True).collect(engine="streaming")


def _is_newest(newest: str, key: Sequence[str]) -> pl.Expr:
    """Whether a row has the greatest value of its key; one without a value is older than others."""
    value, greatest = pl.col(newest), pl.col(newest).max().over(key)
    return value.eq_missing(greatest)
