"""Keys of every dtype, NULL among them, on a warehouse of BigQuery; the tests are elsewhere."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import Publication
from etl_assets_tests.bigquery_warehouse.real import own
from etl_assets_tests.contract.days import (
    DAY,
    at,
    own_row,
    publish,
    published,
    spooled,
    staged,
    token_of,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

KEYS: dict[str, tuple[Any, list[Any]]] = {
    "text": (pl.String, ["it's", "", None]),
    "integers": (pl.Int64, [2**62 + 1, 0, None]),
    "bytes": (pl.Binary, [b"\x00\xff", b"", None]),
    "decimals": (pl.Decimal(38, 9), [Decimal("12345678901234.000000001"), Decimal(0), None]),
    "days": (pl.Date, [date(2024, 2, 29), date(1, 1, 1), None]),
    "moments": (UTC_MOMENT, [datetime(2024, 2, 29, 1, 2, 3, 4, UTC), at(DAY), None]),
    "local times": (pl.Datetime("us"), [datetime(2024, 2, 29, 1, 2, 3, 4), None]),
    "times": (pl.Time, [time(1, 2, 3, 4), time(0), None]),
    "truth": (pl.Boolean, [True, False, None]),
}


def keys_are_matched(warehouse: Warehouse, folder: Path, kind: str) -> None:
    """Look each key up, let some leave and leave one out: it is that row and no other.

    A key that is NULL is another one than zero, the empty text and the first day.
    """
    dtype, keys = KEYS[kind]
    table = own(
        layer_table(
            {"the key": dtype, "day_at": UTC_MOMENT, "v": pl.String},
            {"the key": {"nullable": True}},
            key=("the key",),
        )
    )
    rows = [(key, at(DAY), str(number)) for number, key in enumerate(keys)]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    publish(warehouse, staged(folder, frame, table=table), table=table)
    for number in range(frame.height):
        asked = spooled(folder, frame[number].select("the key"))
        found = warehouse.lookup(table, asked, folder / f"found{number}").collect()
        assert found["v"].to_list() == [str(number)]
    staging = warehouse.stage(table, [staged(folder, frame, table=table)], "run-2")
    plan = Publication(
        staging,
        token_of(warehouse, table),
        own_row(table),
        [staged(folder, frame, table=table).state],
        leaving=spooled(folder, frame.select("the key")[:-1]),
        leaving_from=[DAY],
        left_out=frame.select(pl.lit(DAY).alias("_day"), "the key")[-1:],
    )
    warehouse.publish(plan)
    warehouse.discard(staging)
    assert sorted(published(warehouse, folder, table=table)["v"]) == sorted(frame["v"])
