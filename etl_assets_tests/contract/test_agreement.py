"""One history of publications leaves the same rows in the platform's tables of every backend.

What a publication does to them is decided once (`warehouse/publication.py`); a backend carries it
out. Every field is compared with what DuckDB holds after the same history.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.field_profile import profile
from etl_assets.core.field_register import parts_of
from etl_assets.core.file_index import ObjectDays
from etl_assets.core.ledger import FileStatus, LedgerEntry, ledger_frame
from etl_assets.core.state import Happening
from etl_assets.core.table import versions_of
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.system_tables import SYSTEM_TABLES
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    changes_of,
    entry,
    orders,
    own_row,
    publish,
    spooled,
    staged,
    token_of,
    tombstones,
)
from etl_assets_tests.contract.on_duckdb import DUCKDB

VERSIONED = replace(ORDERS, versions=versions_of(ORDERS))
WHOLE_TABLE = replace(ORDERS, name="whole", partition_column=None, cursor_column=None)
THIRD = NEXT + timedelta(days=1)
LATER = AS_OF + timedelta(days=1)


def play(warehouse: Warehouse, folder: Path) -> None:
    """Loads, changes with rows that leave and go to another day, a rewind, a verification."""
    numbers = count(1)

    def day(frame: pl.DataFrame, of: date, **state: Any) -> Any:
        return staged(folder, frame, of, load_id=f"{next(numbers):032x}", **state)

    first = day(orders({1: "one", 2: "two"}), DAY, rejected=['{"id": "8"}'], position="id=8")
    objects = [
        LedgerEntry(
            *(VERSIONED.path, DAY, key, "etag", 12, AS_OF, status, error, 2, 2, 0),
            *(AS_OF, LATER, "run-1"),
        )
        for key, status, error in (
            ("a.csv", FileStatus.LOADED, None),
            ("b.csv", FileStatus.REFUSED, "It is cut."),
        )
    ]
    publish(
        warehouse,
        replace(first, ledger=spooled(folder, ledger_frame(objects))),
        day(orders({3: "three"}, NEXT), NEXT, failed_checks="row_count"),
        table=VERSIONED,
    )
    # The key of one day comes on another, which an older run replaces then (C8).
    publish(
        warehouse,
        day(orders({1: "moved", 5: "new"}, THIRD, updated=at(THIRD)), THIRD, as_of=LATER),
        table=VERSIONED,
    )
    publish(warehouse, day(orders({1: "older", 2: "two"}), DAY, as_of=LATER), table=VERSIONED)
    changed = changes_of(
        folder,
        token_of(warehouse, VERSIONED),
        position=own_row(
            VERSIONED,
            load_id=f"{next(numbers):032x}",
            as_of=LATER,
            updated_at=LATER,
            high_watermark=at(THIRD, 15),
            watermark_key='["5"]',
            source_columns='{"id": "bigint"}',
            first_day=DAY,
        ).with_days_to_reload({THIRD: "refused by value_rules"}),
        gone=orders({2: "two"}),
        tombstones=tombstones("id=2"),
        cleared=["id=8"],
        history=[entry('{"why": "sync"}'), entry("{}", kind=Happening.COLUMNS)],
        table=VERSIONED,
    )
    rows = orders({6: "six"}, updated=at(THIRD))
    rejected = day(rows, DAY, run_id="run-2", rejected=['{"id": "9"}'], position="id=9")
    bring(warehouse, changed, rejected, table=VERSIONED)
    own = warehouse.table_state(VERSIONED)
    assert own is not None
    moved = replace(own, load_id=f"{next(numbers):032x}", high_watermark=at(NEXT))
    warehouse.move(moved, own.load_id, [entry('{"why": "rewind"}', moment=LATER)])
    warehouse.verify(VERSIONED, [DAY, NEXT], LATER)
    whole = date.min
    publish(warehouse, day(orders({1: "one"}), whole, table=WHOLE_TABLE), table=WHOLE_TABLE)
    publish(
        warehouse,
        day(orders({1: "two"}), whole, table=WHOLE_TABLE, as_of=LATER, made_of="other"),
        table=WHOLE_TABLE,
    )
    days = ObjectDays("etag:7", "csv", {DAY: 2, NEXT: 3}, 1)
    entries = [days.entry(VERSIONED.path, key) for key in ("a.csv", "b.csv")]
    warehouse.put_file_days(VERSIONED, (), entries)
    counts = profile(pl.Series(['{"a": 1, "b": null}', None]), LATER)
    warehouse.put_fields(VERSIONED, [DAY], parts_of(VERSIONED, "v", DAY, "load-1", counts))


@pytest.mark.thorough_but("duckdb", "postgres")
def test_the_rows_of_the_platforms_tables_are_the_same_on_every_backend(
    backend: Backend, warehouse: Warehouse, tmp_path: Path
) -> None:
    play(warehouse, tmp_path)
    other = tmp_path / "duckdb"
    other.mkdir()
    (other / "warehouse.json").write_text("{}")
    with_duckdb = DUCKDB.open(other)
    play(with_duckdb, other)
    with_duckdb.close()
    for table in SYSTEM_TABLES:
        held, wanted = (
            [
                dict(zip(table.names, map(plain, row), strict=True))
                for row in of.rows(folder, "etl", table.name, table.names)
            ]
            for of, folder in ((backend, tmp_path), (DUCKDB, other))
        )
        by = (
            [tuple(map(repr, row.values())) for row in held],
            [tuple(map(repr, row.values())) for row in wanted],
        )
        assert wanted or table.name == "etl_schema", f"the history says nothing of {table.name}"
        assert sorted(by[0]) == sorted(by[1]), table.name


def plain(value: Any) -> Any:
    """A value as any driver hands it out."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else f"{value.isoformat()}+00:00"
    return value
