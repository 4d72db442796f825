"""What the tests of a source's changes share: a table with a cursor, and all that a sync reads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from etl_assets.core.position import Position
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.changes import PostgresChangeRead
from etl_assets.sources.postgres.reader import TableSnapshot
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run

START = datetime(2024, 5, 17, tzinfo=UTC)
LATER = START + timedelta(days=365)
MUCH = 1 << 40


def changing_table(dtypes: dict[str, Any] | None = None, **more: Any) -> LayerTable:
    """`things`: id (or another key), day_at, updated_at (the cursor) and what else is given."""
    key = {} if "key" in more else {"id": pl.Int64}
    columns = {**key, "day_at": UTC_MOMENT, "updated_at": UTC_MOMENT, **(dtypes or {})}
    policies = {name: more.pop(name) for name in ("drift", "overflow_column") if name in more}
    return replace(layer_table(columns, **more), cursor_column="updated_at", **policies)


THINGS = changing_table()


def make_things(url: str, rows: str, more: str = "") -> None:
    """`things` of a SELECT of (id, day_at, updated_at)."""
    run(
        url,
        "DROP TABLE IF EXISTS things",
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, updated_at timestamptz"
        f"{more})",
        f"INSERT INTO things {rows}",
    )


def frame_of(read: PostgresChangeRead) -> pl.DataFrame:
    """The rows of a read, in its order."""
    schema = {column.name: column.dtype for column in read.opened.table.columns}
    return pl.concat([pl.DataFrame(schema=schema), *read.batches()])


def pages(
    snapshot: TableSnapshot, after: Position | None, until: datetime, most_rows: int
) -> Sequence[pl.DataFrame]:
    """Page after page of changes, each no longer than asked."""
    found = []
    while True:
        read = snapshot.changes(after, until, most_rows, MUCH)
        found.append(frame_of(read))
        assert found[-1].height == read.rows <= most_rows
        if read.is_last:
            return found
        after = read.last
