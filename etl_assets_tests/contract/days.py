"""Staged days for the suite, made by hand: no source, no audit, only what a warehouse sees."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.partitions import Window
from etl_assets.core.rows import TOMBSTONE_SCHEMA, quarantine_rows
from etl_assets.core.state import Happening, HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.publish import publish_staged
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.planning import changes, declared
from etl_assets.warehouse.publication import StagedDay
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
"""id, day_at, v, updated_at; the cursor is updated_at: the table syncs."""


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
    position: str = "id=0",
    source: str = "postgres:public.orders",
    **state: Any,
) -> StagedDay:
    """A day in the spool, with payloads `rejected` set aside, and the state that belongs to it.

    `position` is where the rejected rows stood in the source; `state` overrides the state's fields.
    """
    refused = quarantine_rows(
        table=table.path,
        day=day,
        rules=["v: isin"] * len(rejected),
        positions=[position] * len(rejected),
        payloads=rejected,
        run_id=run_id,
        at=AS_OF,
    )
    good, aside = spooled(folder, frame), spooled(folder, refused)
    found = PartitionState(
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
    return StagedDay(day, source, good, aside, replace(found, **state))


def spooled(folder: Path, frame: pl.DataFrame | None = None) -> SpoolFiles:
    """A frame in the spool; no file at all where there are no rows."""
    files = SpoolFiles(folder / "spool" / uuid.uuid4().hex)
    if frame is not None:
        files.write(frame)
        files.close()
    return files


def publish(warehouse: Warehouse, *days: StagedDay, table: LayerTable = ORDERS) -> None:
    """Replace the parts, as a load does."""
    run_id = days[0].state.run_id if days else "run-1"
    publish_staged(warehouse, table, days, run_id)


@dataclass(frozen=True)
class Changed:
    """What a sync brings beside its days: `gone` are rows that leave."""

    token: str | None
    position: TableState
    gone: SpoolFiles
    tombstones: SpoolFiles
    cleared: Sequence[str] = ()
    history: Sequence[HistoryEntry] = ()


def bring(
    warehouse: Warehouse,
    changed: Changed,
    *days: StagedDay,
    table: LayerTable = ORDERS,
    harm: bool = False,
) -> None:
    """Publish changes, as a sync does: each staged row takes the place of that of its key.

    With `harm` the file of the keys that leave is broken.
    """
    staging = warehouse.stage(table, days, "run-2")
    try:
        known = warehouse.recorded(table, versions=True)
        own = known.table_state or changed.position
        known = replace(
            known, table_state=replace(own, load_id=changed.token) if changed.token else None
        )
        files = [path for part in (changed.gone, *(d.files for d in days)) for path in part.files]
        keys = [pl.read_parquet(path, columns=list(table.key)) for path in files]
        leaving = spooled(changed.gone.folder, pl.concat(keys).unique() if keys else None)
        if harm:
            leaving.files[0].write_bytes(b"text")
        publication = changes(
            staging,
            known,
            warehouse.facts(staging, elsewhere=False, versions=table.versions is not None),
            table_state=changed.position,
            leaving=leaving,
            cleared=changed.cleared,
            tombstones=changed.tombstones,
            history=changed.history,
        )
        warehouse.publish(publication)
    finally:
        warehouse.discard(staging)


def token_of(warehouse: Warehouse, table: LayerTable = ORDERS) -> str | None:
    """The `load_id` of the table's row."""
    own = warehouse.table_state(table)
    return own.load_id if own else None


def own_row(table: LayerTable = ORDERS, **fields: Any) -> TableState:
    """A table's row, with a token of its own; `fields` overrides what it says."""
    found = TableState(
        table_name=table.path,
        load_id=uuid.uuid4().hex,
        run_id="run-2",
        as_of=AS_OF,
        updated_at=AS_OF,
        row_count=2,
        high_watermark=at(NEXT),
        watermark_key='["7"]',
    )
    return replace(found, **fields)


def changes_of(
    folder: Path,
    token: str | None,
    *,
    position: TableState | None = None,
    gone: pl.DataFrame | None = None,
    tombstones: pl.DataFrame | None = None,
    cleared: Sequence[str] = (),
    history: Sequence[HistoryEntry] = (),
    table: LayerTable = ORDERS,
) -> Changed:
    """What a sync brings beside its days."""
    return Changed(
        token,
        position or own_row(table),
        spooled(folder, gone),
        spooled(folder, tombstones),
        cleared,
        history,
    )


def tombstones(*keys: str, day: date = DAY, table: LayerTable = ORDERS) -> pl.DataFrame:
    """Tombstones of run-2 for row keys (`id=7`)."""
    rows = [(table.path, day, key, f'{{"v": "{key}"}}', "run-2", AS_OF) for key in keys]
    return pl.DataFrame(rows, schema=TOMBSTONE_SCHEMA, orient="row")


def entry(
    payload: str = "{}",
    *,
    kind: Happening = Happening.WATERMARK,
    moment: datetime = AS_OF,
    table: LayerTable = ORDERS,
) -> HistoryEntry:
    """Something that run-2 did to the table."""
    return HistoryEntry(table.path, kind, moment, "run-2", payload)


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


def by_contract(state: TableState, table: LayerTable = ORDERS) -> TableState:
    """The same row as a publication by the table's contract leaves it."""
    return declared(table, state)
