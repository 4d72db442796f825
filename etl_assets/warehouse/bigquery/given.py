"""Rows that a script is given: a query parameter where they are few, else a staging table.

A load job takes seconds, and most publications let few keys leave or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.bigquery.jobs import cost_of
from etl_assets.warehouse.bigquery.loading import Loading
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, Datasets
from etl_assets.warehouse.bigquery.scripts import struct_rows
from etl_assets.warehouse.bigquery.spooled import checked_frames
from etl_assets.warehouse.bigquery.types import parameter_type, parsed, quote
from etl_assets.warehouse.publication import STAGED_DAY, JobCost

_MOST_ROWS, _MOST_BYTES = 1000, 500_000


@dataclass(frozen=True)
class Given:
    """`relation` is what a FROM reads the rows from, by the names of their columns.

    `staged` is the staging table to drop afterwards, `jobs` what filled it.
    """

    relation: str
    parameters: Sequence[Any] = ()
    jobs: Sequence[JobCost] = ()
    staged: str | None = None


def key_columns(table: LayerTable) -> list[Column]:
    """The key's columns."""
    return [table.column(name) for name in table.key]


def with_day(table: LayerTable) -> list[Column]:
    """STAGED_DAY and the key's columns."""
    return [Column(STAGED_DAY, pl.Date(), nullable=False, description=""), *key_columns(table)]


class Giver:
    """Brings rows of some columns to a script."""

    def __init__(self, datasets: Datasets, loading: Loading) -> None:
        self._datasets, self._loading = datasets, loading

    def give(
        self,
        table: LayerTable,
        columns: Sequence[Column],
        spooled: SpoolFiles,
        name: str,
        run_id: str,
        folder: Path,
        *,
        parameter: str = "given",
    ) -> Given:
        """Rows of the table's columns; the staging table is `name`, its file goes to `folder`.

        Raises WarehouseError and what Google's client raises.
        """
        if spooled.rows <= _MOST_ROWS and spooled.bytes <= _MOST_BYTES:
            frame = pl.concat(checked_frames(table, columns, [spooled]))
            return _as_parameter(columns, frame, parameter)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.parquet"
        job = self._loading.load(table, columns, spooled, name, run_id, path)
        values = ", ".join(f"{parsed(c, 'x')} AS {quote(c.name)}" for c in columns)
        staged = self._datasets.name(STAGING_DATASET, name)
        return Given(f"(SELECT {values} FROM {staged} AS x)", (), [cost_of(job)], name)  # noqa: S608


def _as_parameter(columns: Sequence[Column], frame: pl.DataFrame, parameter: str) -> Given:
    # Not every name of a column is one that a field of a parameter may have.
    types = {f"c{number}": parameter_type(column) for number, column in enumerate(columns)}
    values = ", ".join(
        f"x.{field} AS {quote(column.name)}" for field, column in zip(types, columns, strict=True)
    )
    rows = struct_rows(parameter, types, list(frame.iter_rows()))
    return Given(f"(SELECT {values} FROM UNNEST(@{parameter}) AS x)", [rows])  # noqa: S608
