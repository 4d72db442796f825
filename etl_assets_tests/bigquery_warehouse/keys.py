"""Keys of every dtype, NULL among them, on a warehouse of BigQuery; the tests are elsewhere."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import STAGED_DAY, Publication
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


KEY = tuple(KEYS)
TABLE = own(
    layer_table(
        {
            **{name: dtype for name, (dtype, _) in KEYS.items()},
            "day_at": UTC_MOMENT,
            "v": pl.String,
        },
        {name: {"nullable": True} for name in KEY},
        key=KEY,
    )
)


def rows_of_every_key() -> pl.DataFrame:
    """A row with the first value of each part, and for each other value a row with just that."""
    first = {name: values[0] for name, (_, values) in KEYS.items()}
    keys = [first, *({**first, name: v} for name, (_, vs) in KEYS.items() for v in vs[1:])]
    rows = [{**key, "day_at": at(DAY), "v": str(number)} for number, key in enumerate(keys)]
    return pl.DataFrame(rows, schema=polars_schema(TABLE.columns))


def keys_are_matched(warehouse: Warehouse, folder: Path) -> None:
    """Look every second key up, then the others; let all leave but one, and leave one out.

    Each is that row and no other: two rows differ in one part of the key, and a part that is NULL
    is another one than zero, the empty text and the first day.
    """
    frame = rows_of_every_key()
    publish(warehouse, staged(folder, frame, table=TABLE), table=TABLE)
    for number in range(2):
        asked = frame.gather_every(2, number)
        found = warehouse.lookup(
            TABLE, spooled(folder, asked.select(KEY)), folder / f"found{number}"
        ).collect()
        assert sorted(found["v"]) == sorted(asked["v"])
    staging = warehouse.stage(TABLE, [staged(folder, frame, table=TABLE)], "run-2")
    plan = Publication(
        staging,
        token_of(warehouse, TABLE),
        own_row(TABLE),
        [staged(folder, frame, table=TABLE).state],
        leaving=spooled(folder, frame.select(KEY)[:-1]),
        leaving_from=[DAY],
        left_out=frame.select(pl.lit(DAY).alias(STAGED_DAY), *KEY)[-1:],
    )
    warehouse.publish(plan)
    warehouse.discard(staging)
    assert sorted(published(warehouse, folder, table=TABLE)["v"]) == sorted(frame["v"])
