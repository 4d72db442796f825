"""Two sets of rows compared by their key, some buckets of keys at a time, so that memory stays
bounded whatever their number."""

from collections.abc import Collection
from datetime import date
from typing import Any, Final

import polars as pl

from etl_assets.core.frames import numbered
from etl_assets.core.partitions import WHOLE
from etl_assets.core.rows import keys_of
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.diff.found import Difference, RowDifference
from etl_assets.pipeline.quarantine import HIDDEN

BUCKET_ROWS: Final = 200_000
"""How many rows of each side a bucket should have at most, on average."""

_OLD, _NEW = numbered(1), numbered(2)


def compare(
    table: LayerTable,
    day: date,
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    into: Difference,
    *,
    most: int,
    without: Collection[str] = (),
) -> None:
    """Add what differs between the rows of one part to `into`, with `most` rows of it at most.

    Both are in the contract's columns and dtypes, and no key is in either twice. The columns
    `without` do not count.
    """
    columns = [c.name for c in table.columns if c.name not in {*table.key, *without}]
    counts = [
        frame.select(pl.len(), pl.all().null_count().name.prefix("n ")).collect(engine="streaming")
        for frame in (before, after)
    ]
    for counted, nulls in zip(counts, (into.nulls_before, into.nulls_after), strict=True):
        row = counted.row(0, named=True)
        nulls.update({c: row[f"n {c}"] for c in columns if row[f"n {c}"]})
    rows = [counted["len"].item() for counted in counts]
    into.rows_before += rows[0]
    into.rows_after += rows[1]
    number = 1 + max(rows) // BUCKET_ROWS
    for bucket in range(number):
        _compare(
            table,
            day,
            _side(table, before, columns, _OLD, bucket, number),
            _side(table, after, columns, _NEW, bucket, number),
            columns,
            into,
            most,
        )


def _side(
    table: LayerTable,
    rows: pl.LazyFrame,
    columns: list[str],
    name: str,
    bucket: int,
    number: int,
) -> pl.DataFrame:
    if number > 1:  # the hash is only ever compared within this process
        rows = rows.filter(pl.struct(table.key).hash(seed=11) % number == bucket)
    values = pl.struct(columns) if columns else pl.lit(value=True)
    return rows.select(*table.key, values.alias(name)).collect(engine="streaming")


def _compare(
    table: LayerTable,
    day: date,
    before: pl.DataFrame,
    after: pl.DataFrame,
    columns: list[str],
    into: Difference,
    most: int,
) -> None:
    key = list(table.key)
    came = after.join(before, on=key, how="anti", nulls_equal=True)
    left = before.join(after, on=key, how="anti", nulls_equal=True)
    both = before.join(after, on=key, how="inner", nulls_equal=True)
    differs = {
        name: pl.col(_OLD).struct.field(name).ne_missing(pl.col(_NEW).struct.field(name))
        for name in columns
    }
    told = both.select(expr.alias(name) for name, expr in differs.items())
    other = both.filter(pl.any_horizontal(differs.values())) if columns else both.clear()
    into.added += came.height
    into.removed += left.height
    into.changed += other.height
    into.by_column.update({name: n for name in columns if (n := int(told[name].sum()))})
    for kind, rows in (("removed", left), ("added", came), ("changed", other)):
        room = most - len(into.rows)
        if room > 0 and rows.height:
            into.rows += _shown(table, day, kind, rows.sort(key).head(room), columns)


def _shown(
    table: LayerTable, day: date, kind: str, rows: pl.DataFrame, columns: list[str]
) -> list[RowDifference]:
    keys = keys_of(rows, [table.column(name) for name in table.key])
    secret = {column.name for column in table.columns if column.personal}
    found = []
    for key, row in zip(keys, rows.to_dicts(), strict=True):
        old, new = row.get(_OLD), row.get(_NEW)
        shown: dict[str, tuple[Any, Any]] = {}
        for name in columns:
            one, other = (old or {}).get(name), (new or {}).get(name)
            if kind != "changed" or one != other:
                shown[name] = tuple(  # type: ignore[assignment]  # two in, two out
                    HIDDEN if name in secret and value is not None else value
                    for value in (one, other)
                )
        found.append(RowDifference(None if day == WHOLE else day, kind, key, shown))
    return found
