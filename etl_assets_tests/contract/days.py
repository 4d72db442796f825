"""Staged days for the suite, made by hand: no source, no audit, only what a warehouse sees."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.partitions import Window
from etl_assets.core.rows import quarantine_rows
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Mode, StagedDay, Warehouse
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

DAY = date(2024, 5, 17)
NEXT = DAY + timedelta(days=1)
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
ORDERS = replace(
    layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String, "updated_at": UTC_MOMENT},
        {"id": {"nullable": False}},
        name="orders",
    ),
    cursor_column="updated_at",
)
"""id, day_at, v, updated_at; the cursor is updated_at."""


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def orders(
    values: Mapping[int, str], day: date = DAY, updated: datetime | None = None
) -> pl.DataFrame:
    """Rows of ORDERS: `v` by id, all in the middle of the day."""
    rows = [(key, at(day), value, updated or at(day)) for key, value in values.items()]
    return pl.DataFrame(rows, schema=polars_schema(ORDERS.columns), orient="row")


def staged(
    folder: Path,
    frame: pl.DataFrame,
    day: date = DAY,
    *,
    table: LayerTable = ORDERS,
    run_id: str = "run-1",
    as_of: datetime = AS_OF,
    rejected: Sequence[str] = (),
    source: str = "postgres:public.orders",
) -> StagedDay:
    """A day in the spool, with payloads `rejected` set aside, and the state that belongs to it."""
    place = folder / "spool" / uuid.uuid4().hex
    good, aside = SpoolFiles(place / "rows"), SpoolFiles(place / "quarantine")
    good.write(frame)
    good.close()
    refused = quarantine_rows(
        table=table.path,
        day=day,
        rules=["v: isin"] * len(rejected),
        positions=["id=0"] * len(rejected),
        payloads=rejected,
        run_id=run_id,
        at=AS_OF,
    )
    aside.write(refused)
    aside.close()
    return StagedDay(day, source, good, aside, _state(table, day, run_id, as_of, good, aside))


def _state(
    table: LayerTable,
    day: date,
    run_id: str,
    as_of: datetime,
    good: SpoolFiles,
    aside: SpoolFiles,
) -> PartitionState:
    return PartitionState(
        table_name=table.path,
        partition_key=day,
        high_watermark=at(day),
        watermark_key="id=7",
        row_count=good.rows,
        source_count=good.rows + aside.rows,
        quarantined_count=aside.rows,
        checks_passed=8,
        checks_failed=0,
        as_of=as_of,
        load_id=uuid.uuid4().hex,
        run_id=run_id,
        seconds=0.25,
        verified_through=None,
        updated_at=as_of,
    )


def publish(
    warehouse: Warehouse,
    *days: StagedDay,
    mode: Mode = Mode.REPLACE,
    table: LayerTable = ORDERS,
) -> None:
    run_id = days[0].state.run_id if days else "run-1"
    warehouse.publish(warehouse.stage(table, days, run_id, mode))


def published(
    warehouse: Warehouse, folder: Path, *days: date, table: LayerTable = ORDERS
) -> pl.DataFrame:
    """The rows of a range of days as the warehouse hands them out, by key."""
    window = Window(days[0], days[-1]) if days else Window.of(DAY)
    extract = warehouse.read(table, [window], folder / "reads" / uuid.uuid4().hex)
    return extract.frames[0].collect().sort(*table.key)


def values(
    warehouse: Warehouse, folder: Path, *days: date, table: LayerTable = ORDERS
) -> dict[int, Any]:
    """`v` by id."""
    rows = published(warehouse, folder, *days, table=table)
    found = dict(rows.select("id", "v").iter_rows())
    assert len(found) == rows.height, "an id is there twice"
    return found
