"""Published rows with given values in some columns, with the columns that the platform adds.

A whole key is looked up, and so are other values where many parts may have them; where these are
few, the parts are read.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import polars as pl

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.contracts import Column, Contract, column
from etl_assets.core.dimension import keyed
from etl_assets.core.partitions import WHOLE, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.publish import spooled
from etl_assets.warehouse.base import Warehouse

_FEW_PARTS = 7
"""So many parts are read rather than a whole table searched."""

_MOMENT = Annotated[pl.Datetime, "us", "UTC"]


@cache
def audited(table: LayerTable) -> LayerTable:
    """The table with the columns that the platform adds to each published row."""
    dtypes = {name: _MOMENT if name.endswith("_at") else pl.String for name in AUDIT_COLUMNS}
    body: dict[str, Any] = {"__annotations__": dtypes, "__module__": table.contract.__module__}
    body |= {name: column(description=text) for name, text in AUDIT_COLUMNS.items()}
    contract: type[Contract] = type(table.contract.__name__, (table.contract,), body)
    return replace(table, contract=contract, versions=None)


def rows_with(
    warehouse: Warehouse,
    table: LayerTable,
    values: Mapping[str, Any],
    parts: Collection[date],
    folder: Path,
) -> pl.DataFrame:
    """The published rows that have these values (NULL equal to NULL), with the audit columns.

    `parts` are those that may have them. A value that its column's dtype cannot hold is in no row.
    """
    wide = audited(table)
    schema = pl.Schema({name: table.column(name).dtype for name in values})
    try:
        wanted = pl.DataFrame({n: [v] for n, v in values.items()}).cast(schema)
    except pl.exceptions.PolarsError:
        return pl.DataFrame(schema={c.name: c.dtype for c in wide.columns})
    if set(table.key) <= values.keys():
        found = _looked_up(warehouse, wide, wanted.select(table.key), folder)
        return found.join(wanted.lazy(), on=list(values), how="semi", nulls_equal=True).collect()
    if not parts:
        return pl.DataFrame(schema={c.name: c.dtype for c in wide.columns})
    if not table.has_days or len(parts) > _FEW_PARTS:
        rows = _looked_up(warehouse, keyed(wide, list(values)), wanted, folder).collect()
        return rows if not table.has_days else _on_parts(rows, table, parts)
    windows = windows_of(sorted(parts))
    frames = warehouse.read(wide, windows, folder / "read").frames
    matching = [
        frame.join(wanted.lazy(), on=list(values), how="semi", nulls_equal=True).collect()
        for frame in frames
    ]
    return pl.concat(matching)


def _looked_up(
    warehouse: Warehouse, table: LayerTable, wanted: pl.DataFrame, folder: Path
) -> pl.LazyFrame:
    return warehouse.lookup(table, spooled(folder / "keys", wanted), folder / "found")


def _on_parts(rows: pl.DataFrame, table: LayerTable, parts: Collection[date]) -> pl.DataFrame:
    return rows.filter(pl.col(table.day_column).cast(pl.Date).is_in(list(parts)))


def part_of(table: LayerTable, row: Mapping[str, Any]) -> date:
    """The part that a row is on."""
    if not table.has_days:
        return WHOLE
    moment = row[table.day_column]
    return moment.date() if isinstance(moment, datetime) else moment


def as_key(column_: Column, text: Any) -> Any:
    """A value of a key as it was typed, or in JSON, in the column's dtype; ValueError for none."""
    if text is None or isinstance(column_.dtype, pl.String):
        return None if text is None else str(text)
    typed = pl.Series([str(text).lower() if isinstance(text, bool) else str(text)])
    dtype = column_.dtype
    try:
        if isinstance(dtype, pl.Boolean):
            return {"true": True, "false": False}[typed.item().lower()]
        if isinstance(dtype, pl.Binary):
            return bytes.fromhex(typed.item())
        if isinstance(dtype, pl.Date):
            return date.fromisoformat(typed.item())
        if isinstance(dtype, pl.Datetime):
            return _moment(typed.item(), zoned=dtype.time_zone is not None)
        return typed.cast(dtype, strict=True).item()
    except (pl.exceptions.PolarsError, KeyError, ValueError):
        raise ValueError(f"{text!r} is no {dtype} of {column_.name}") from None


def _moment(text: str, *, zoned: bool) -> datetime:
    moment = datetime.fromisoformat(text)
    if not zoned:
        return moment.replace(tzinfo=None)
    offset = moment.utcoffset() or timedelta(0)
    return (moment.replace(tzinfo=None) - offset).replace(tzinfo=UTC)
